-- What an agent says is wrong with its machine, as a disk that is full; '' = nothing. Written with each heartbeat.
alter table agents add column trouble text not null default '';

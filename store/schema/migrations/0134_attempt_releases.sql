-- When the coordinator put the attempt into the outbox; null: it was sent before this column was there.
alter table attempts add column released_ms bigint;

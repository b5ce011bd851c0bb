-- What an agent last saw on the fences of its databases: [{connection, records: [{record, works, newest}]}]. Written by its heartbeats.
alter table agents add column fences json;
alter table agents add column fences_ms bigint;

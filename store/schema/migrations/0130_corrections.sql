-- Tables whose rows were corrected outside of all flows (protocol E5): what was built on them before is to be redone.
create table corrections (
  id text primary key,
  project text not null default 'main',
  -- Empty: a table of no platform.
  platform text not null,
  table_name text not null,
  period text not null,
  reason text not null,
  actor text not null,
  idempotency_key text not null,
  body_hash text not null,
  at_ms bigint not null,
  unique (actor, idempotency_key)
);
create index corrections_by_age on corrections (at_ms desc, id desc);

-- Events from outside: something has happened for a period. Told to every run of the period whose flows wait for it, also to runs that are
-- opened later.

create table external_events (
  id text primary key,
  project text not null default 'main',
  event text not null,
  cycle text not null check (cycle in ('hour', 'day', 'month')),
  period text not null,
  payload json,
  actor text not null,
  idempotency_key text not null,
  body_hash text not null,
  at_ms bigint not null,
  -- runs whose log has it
  runs text[] not null default '{}',
  unique (actor, idempotency_key)
);
create index external_events_by_period on external_events (cycle, period, event);

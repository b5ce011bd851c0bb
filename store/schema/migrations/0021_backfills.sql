-- Backfills: a range of periods run once more, in order, a few at a time. Runs are opened by the workers' opener.

create table backfills (
  id text primary key,
  project text not null default 'main',
  actor text not null,
  idempotency_key text not null,
  body_hash text not null,
  cycle text not null check (cycle in ('hour', 'day', 'month')),
  from_period text not null,
  to_period text not null,
  -- flows that the runs are opened for, with everything downstream when it was asked for; null: all
  flows text[],
  roots text[],
  downstream boolean not null,
  descending boolean not null,
  -- runs of it that may be unfinished at the same time
  concurrency integer not null check (concurrency >= 1),
  -- the same in all its runs: day-2026-11-01-backfill-3, day-2026-11-02-backfill-3
  number integer not null,
  reason text not null,
  state text not null default 'open' check (state in ('open', 'finished', 'cancelled')),
  opened_ms bigint not null,
  ended_ms bigint,
  ended_by text,
  -- why the next run cannot be opened; tried again all the same
  trouble text,
  unique (actor, idempotency_key)
);
create index backfills_open on backfills (opened_ms) where state = 'open';

create table backfill_runs (
  backfill_id text not null references backfills (id),
  -- order of opening, from 1
  position integer not null,
  period text not null,
  -- the run's id, fixed before it is opened: runs of one backfill wait for one another
  run_id text not null unique,
  state text not null default 'pending' check (state in ('pending', 'opened', 'dropped')),
  opened_ms bigint,
  primary key (backfill_id, position)
);

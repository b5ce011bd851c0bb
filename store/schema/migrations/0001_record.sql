-- The record of Sluice (protocol A1). Who writes what is said at each table.
-- Instants are PostgreSQL's clock in integer milliseconds since 1970 (bigint, suffix _ms), never decreasing within a run.

create table actors (
  name text primary key,
  kind text not null check (kind in ('person', 'agent', 'service')),
  token_hash bytea unique,
  roles text[] not null default '{}',
  -- Empty lists mean everything: {"procedures": [], "flows": [], "platforms": []}
  scope jsonb not null default '{}',
  project text not null default 'main',
  disabled boolean not null default false,
  created_ms bigint not null default (extract(epoch from clock_timestamp()) * 1000)::bigint
);
comment on column actors.token_hash is 'sha256 of the bearer token; the token itself is shown once and kept nowhere';

create table catalogue_versions (
  version integer primary key,
  project text not null default 'main',
  hash text not null,
  mode text not null check (mode in ('apply', 'import')),
  created_by text not null,
  created_ms bigint not null,
  -- [{path, text}]: YAML and program files exactly as given, so that export gives back what was applied
  files json not null,
  -- {calendars, connections, pools, procedures, schedules}
  frame json not null,
  -- compiled flows, graph/model.ts Flow[]
  flows json not null,
  flow_count integer not null
);

create table runs (
  id text primary key,
  project text not null default 'main',
  cycle text not null check (cycle in ('hour', 'day', 'month')),
  period text not null,
  purpose text not null check (purpose in ('scheduled', 'backfill', 'rehearsal')),
  number integer not null default 0,
  catalogue_version integer not null references catalogue_versions (version),
  -- null: all; otherwise flows of other procedures are not_triggered
  procedures text[],
  state text not null default 'open' check (state in ('open', 'closed')),
  opened_by text not null,
  opened_ms bigint not null,
  finished_ms bigint,
  closed_ms bigint,
  -- set when the workflow was found ahead of the record (A9): nothing moves until a person decides
  frozen text,
  unique (project, cycle, period, purpose, number)
);

-- One row a run: first in the lock order (A10). Numbers of the log and of exchanges, copy of the cursor, the run's clock.
create table run_counters (
  run_id text primary key references runs (id),
  log_seq bigint not null default 0,
  exchange bigint not null default 0,
  cursor bigint not null default 0,
  now_ms bigint not null
) with (fillfactor = 40);

-- Written only by the exchange (and by the opening of the run). Flags: graph/run/state.ts FLAG.
create table run_flows (
  run_id text not null references runs (id),
  flow_id text not null,
  generation integer not null default 1,
  attempt integer not null default 1,
  result text check (result in ('succeeded', 'failed', 'cancelled', 'skipped', 'force_passed', 'outcome_unknown')),
  -- where it waits while it has no result; sent_to_agent, running, stopping come from leases
  phase text not null check (phase in ('not_triggered', 'held', 'waiting_upstream', 'waiting_time', 'waiting_person', 'waiting_agent')),
  flags integer not null default 0,
  -- nearest moment at which the engine looks again (back-off, grace, next try of a check)
  due_ms bigint not null default 0,
  -- fixed when the run is opened: start time, 0 = none; deadline, 0 = none
  start_ms bigint not null default 0,
  deadline_ms bigint not null default 0,
  -- retry budget used: program, infrastructure, timeout, lost
  used_budget integer not null default 0,
  generation_ms bigint not null,
  triggered_ms bigint,
  released_ms bigint,
  result_ms bigint,
  primary key (run_id, flow_id)
) with (fillfactor = 70);

-- Superseded generations, written by the exchange when a new one begins.
create table flow_generations (
  run_id text not null,
  flow_id text not null,
  generation integer not null,
  result text,
  flags integer not null,
  generation_ms bigint not null,
  released_ms bigint,
  result_ms bigint,
  ended_ms bigint not null,
  operation_id text,
  primary key (run_id, flow_id, generation)
);

-- Edges that count as met for this generation of their target (verb waive); ended_ms null = in force.
-- All decisions of people about flows stand here, with reason and evidence.
create table overrides (
  id bigint generated always as identity primary key,
  run_id text not null references runs (id),
  flow_id text not null,
  kind text not null,
  edge_from text,
  generation integer not null,
  operation_id text,
  actor text not null,
  reason text not null default '',
  evidence text,
  at_ms bigint not null,
  ended_ms bigint,
  ended_by text
);
create index overrides_by_flow on overrides (run_id, flow_id);

-- The one ordered log of a run (A3).
create table run_log (
  run_id text not null,
  seq bigint not null,
  kind text not null check (kind in ('completion', 'lost', 'operation', 'external')),
  at_ms bigint not null,
  flow_id text,
  generation integer,
  attempt integer,
  epoch bigint,
  outcome text,
  operation_id text,
  body json,
  primary key (run_id, seq)
);

-- The last 200 exchanges of each run (A5).
create table exchanges (
  run_id text not null,
  n bigint not null,
  decisions_hash text not null,
  decisions json not null,
  seq_from bigint not null,
  seq_to bigint not null,
  answer json not null,
  at_ms bigint not null,
  primary key (run_id, n)
);

-- Ready flows for agents. Rows by the exchange; claimed_epoch by the agents' calls.
create table outbox (
  run_id text not null,
  flow_id text not null,
  generation integer not null,
  attempt integer not null,
  platform text not null,
  labels text[] not null default '{}',
  pools text[] not null default '{}',
  pool_amounts integer[] not null default '{}',
  locks text[] not null default '{}',
  expedite boolean not null default false,
  latest_start_ms bigint not null,
  key boolean not null default false,
  released_ms bigint not null,
  -- null: the lease time of the configuration
  lease_ms bigint,
  claimed_epoch bigint,
  primary key (run_id, flow_id)
) with (fillfactor = 70);
create index outbox_waiting on outbox (platform, expedite desc, latest_start_ms, key desc, released_ms) where claimed_epoch is null;

create sequence epochs;

-- Open attempts only; a row's end is its deletion. Written by the agents' calls; `stop` by the exchange.
create table leases (
  epoch bigint primary key,
  run_id text not null,
  flow_id text not null,
  generation integer not null,
  attempt integer not null,
  agent text not null,
  instance text not null,
  platform text not null,
  pools text[] not null default '{}',
  pool_amounts integer[] not null default '{}',
  locks text[] not null default '{}',
  lease_ms bigint not null,
  sent_ms bigint not null,
  started_ms bigint,
  seen_ms bigint not null,
  stop boolean not null default false,
  unique (run_id, flow_id)
) with (fillfactor = 50);
create index leases_by_agent on leases (agent);

-- Every attempt ever sent, by the agents' calls.
create table attempts (
  epoch bigint primary key,
  run_id text not null,
  flow_id text not null,
  generation integer not null,
  attempt integer not null,
  agent text not null,
  sent_ms bigint not null,
  started_ms bigint,
  ended_ms bigint,
  outcome text check (outcome in ('succeeded', 'failed', 'false', 'cancelled', 'lost', 'requeued')),
  failure_kind text check (failure_kind in ('program', 'infrastructure', 'timeout', 'lost')),
  message text,
  exit_code integer,
  rows bigint,
  -- what a stale epoch said later: kept, never believed
  remark json
) with (fillfactor = 60);
create index attempts_by_flow on attempts (run_id, flow_id);

create table agents (
  name text primary key,
  platform text not null,
  labels text[] not null default '{}',
  slots integer not null,
  instance text not null,
  lock_token text not null,
  version text not null default '',
  drained boolean not null default false,
  -- what waited for this agent's platform may be claimed by another platform's agents (failover A -> B)
  failover_to text,
  hello_ms bigint not null,
  seen_ms bigint not null
);

-- Answers of agents' calls, so that a repeated call gets the same one (C1). Purged by age.
create table agent_calls (
  agent text not null,
  call_id text not null,
  answer json not null,
  at_ms bigint not null,
  primary key (agent, call_id)
);
create index agent_calls_by_age on agent_calls (at_ms);

create table pools (
  name text primary key,
  size integer not null check (size >= 0),
  used integer not null default 0 check (used >= 0)
);

create table locks (
  key text primary key,
  epoch bigint not null
);

-- scope: 'platform:yt' or 'run:month-2026-10'; to_ms null = in force
create table pauses (
  id bigint generated always as identity primary key,
  scope text not null,
  from_ms bigint not null,
  to_ms bigint,
  actor text not null,
  reason text not null,
  ended_by text
);
create index pauses_in_force on pauses (scope) where to_ms is null;

-- What people asked for (B1). Rows by the API; state, outcome and decided_ms of logged ones by the exchange.
create table operations (
  id text primary key,
  project text not null default 'main',
  run_id text not null references runs (id),
  actor text not null,
  idempotency_key text not null,
  verb text not null,
  body json not null,
  body_hash text not null,
  state text not null check (state in ('requested', 'approval_required', 'applied', 'refused')),
  outcome json,
  requested_ms bigint not null,
  approved_by text,
  approved_ms bigint,
  decided_ms bigint,
  unique (actor, idempotency_key)
);
create index operations_by_run on operations (run_id, requested_ms);

-- One row for each applied, refused or rejected request (B1, B2). Never updated.
create table audit (
  id bigint generated always as identity primary key,
  at_ms bigint not null,
  actor text not null,
  verb text not null,
  run_id text,
  operation_id text,
  targets text[] not null default '{}',
  reason text not null default '',
  outcome text not null,
  code text,
  detail json
);
create index audit_by_run on audit (run_id, id);

create table rerun_plans (
  id text primary key,
  run_id text not null references runs (id),
  actor text not null,
  body json not null,
  hash text not null,
  created_ms bigint not null,
  expires_ms bigint not null,
  applied_by text
);

-- Edges to another run (A11). upstream_run may not exist yet.
create table subscriptions (
  run_id text not null references runs (id),
  flow_id text not null,
  upstream_run text not null,
  upstream_flow text not null,
  released_ms bigint,
  tainted boolean not null default false,
  primary key (run_id, flow_id, upstream_run, upstream_flow)
);
create index subscriptions_by_upstream on subscriptions (upstream_run, upstream_flow);

create table notices (
  id bigint generated always as identity primary key,
  run_id text,
  flow_id text,
  kind text not null,
  recipient text not null,
  en text not null,
  zh text not null,
  at_ms bigint not null,
  -- null: recorded only (rehearsal), or not sent yet
  sent_ms bigint
);
create index notices_by_run on notices (run_id, id);

-- Each API writes a beat every second; the reaper acts only after unbroken beats (C4).
create table api_beats (
  api text primary key,
  since_ms bigint not null,
  beat_ms bigint not null
);

/* PostgreSQL's clock as this record writes it. */
create function clock_ms() returns bigint language sql volatile
  as $$ select (extract(epoch from clock_timestamp()) * 1000)::bigint $$;

-- Rules that act (protocol F1 to F4).

-- What rules look at. Rows by the exchange (`redone`) and by the API (`corrected`), each in the transaction of what it tells.
create table rule_facts (
  id bigint generated always as identity primary key,
  kind text not null check (kind in ('redone', 'corrected')),
  run_id text,
  flow_id text,
  generation integer,
  correction_id text,
  at_ms bigint not null
);

-- One process at a time evaluates rules; it writes only while its number stands here.
create table rule_lease (
  one boolean primary key default true check (one),
  holder text not null,
  number bigint not null,
  until_ms bigint not null
);

-- Rules that may act, each for the definition that it had when a person enabled it. A changed rule only reports.
create table enabled_rules (
  rule_id text primary key,
  definition_hash text not null,
  actor text not null,
  reason text not null,
  at_ms bigint not null
);

-- What rules do, one row for each thing that happened and each rule that looks at it.
create table rule_acts (
  id text primary key,
  project text not null default 'main',
  rule_id text not null,
  -- 'RUN FLOW GENERATION', or the id of a correction
  root text not null,
  kind text not null check (kind in ('redone', 'corrected')),
  run_id text,
  flow_id text,
  correction_id text,
  -- when the newer data came, and how many rules led to it, one after the other
  at_ms bigint not null,
  depth integer not null default 1,
  state text not null default 'gathering'
    check (state in ('gathering', 'merged', 'reported', 'requested', 'applied', 'covered', 'refused', 'withdrawn')),
  -- the act whose plan does this one's part, too
  lead text references rule_acts (id),
  -- not before this instant
  due_ms bigint not null default 0,
  tries integer not null default 0,
  code text,
  detail json,
  run_of_plan text,
  plan_id text,
  operation_id text,
  approved_by text,
  approved_keys text[],
  decided_ms bigint,
  unique (rule_id, root)
);
create index rule_acts_open on rule_acts (rule_id, at_ms) where state = 'gathering';
create index rule_acts_by_age on rule_acts (at_ms desc, id desc);
create index rule_acts_by_plan on rule_acts (plan_id) where plan_id is not null;
create index rule_acts_by_lead on rule_acts (lead) where lead is not null;

-- Flows that rules have redone, for their limits, and those that open acts would redo (at_ms null).
create table rule_redone (
  act_id text not null references rule_acts (id),
  rule_id text not null,
  run_id text not null,
  flow_id text not null,
  at_ms bigint,
  primary key (act_id, run_id, flow_id)
);
create index rule_redone_by_age on rule_redone (rule_id, at_ms);
create index rule_redone_planned on rule_redone (run_id, flow_id) where at_ms is null;

-- Patience of a check used in this generation: its questions, sent to answer, and the pauses after them (protocol D9). Checks that wait
-- while this is added begin to count now.
alter table run_flows add column asked_ms bigint not null default 0;

-- Why the engine gave a generation up, written by the exchange: failures in a row of one kind, or ms of a check that answered false.
create table give_ups (
  run_id text not null,
  flow_id text not null,
  generation integer not null,
  attempt integer not null,
  cause text not null check (cause in ('program', 'infrastructure', 'timeout', 'lost', 'false')),
  used bigint not null,
  allowed bigint not null,
  at_ms bigint not null,
  primary key (run_id, flow_id, generation)
);

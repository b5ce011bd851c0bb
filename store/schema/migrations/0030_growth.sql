-- Months of history (docs/decisions/0007): lists that name no run find their page by an index, and archived runs are known by name.

create index runs_by_opening on runs (opened_ms desc, id desc);
create index operations_by_time on operations (requested_ms desc, id desc);
create index operations_undecided on operations (requested_ms desc, id desc) where state in ('requested', 'approval_required');
create index operations_with_key on operations (requested_ms) where idempotency_key not like 'freed:%';
create index audit_by_actor on audit (actor, id);
create index audit_by_verb on audit (verb, id);
create index audit_by_operation on audit (operation_id) where operation_id is not null;
create index audit_by_target on audit using gin (targets);
create index notices_by_flow on notices (flow_id, id);

-- Runs that were written to a file and taken out of the record (store/retention/retention.ts). Written by the retention only.
create table archived_runs (
  run_id text primary key,
  cycle text not null check (cycle in ('hour', 'day', 'month')),
  period text not null,
  purpose text not null,
  -- below the archive's folder
  file text not null,
  sha256 text not null,
  bytes bigint not null,
  -- table -> number of rows in the file
  rows json not null,
  opened_ms bigint not null,
  finished_ms bigint,
  archived_ms bigint not null,
  -- when its rows came back for reading; null = they are in the file only
  restored_ms bigint
);
create index archived_runs_by_time on archived_runs (archived_ms desc, run_id desc);

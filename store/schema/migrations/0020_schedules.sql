-- Schedules of the catalogue, as the record keeps them: what operators have said of them, and what was decided in each slot.
-- The definition itself is the newest catalogue version's; the firing is Temporal's.

create table schedules (
  id text primary key,
  project text not null default 'main',
  paused boolean not null,
  -- why it is paused, or was resumed
  reason text not null default '',
  changed_by text not null,
  changed_ms bigint not null,
  -- slots up to this instant were decided, or lie before the schedule was there: each slot is decided once
  decided_ms bigint not null,
  -- no longer in the catalogue since
  removed_ms bigint
);

create table schedule_slots (
  schedule_id text not null references schedules (id),
  slot_ms bigint not null,
  period text not null,
  decision text not null check (decision in ('opened', 'run_exists', 'triggered', 'weekend', 'holiday', 'not_its_day', 'paused', 'missed',
    'blackout', 'previous_unfinished', 'waiting_blackout', 'waiting_previous', 'refused', 'removed')),
  -- the run that was opened, or was there already
  run_id text,
  -- what it says, for people
  en text not null default '',
  zh text not null default '',
  -- end of the blackout that is waited for
  until_ms bigint,
  decided_ms bigint not null,
  actor text,
  primary key (schedule_id, slot_ms)
);
create index schedule_slots_waiting on schedule_slots (slot_ms) where decision in ('waiting_blackout', 'waiting_previous');
create index schedule_slots_by_period on schedule_slots (schedule_id, period);

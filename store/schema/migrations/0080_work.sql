-- Identity of work (protocol C3, C6).

-- Names that the text of each fenced program binds, by flow id; fixed when the version was applied. null: a version of before, whose
-- texts are read instead.
alter table catalogue_versions add column binds json;

-- Key of the work that a fenced program does (store/catalogue/work.ts); null: the program is not fenced.
alter table outbox add column work text;
-- '': what was handed over before there were works; what is claimed may wait again.
update outbox set work = '';
alter table attempts add column work text;

-- Attempts of a work that have ended for the record while their backends may be at work still: lost ones, and those whose connection was
-- given up. The next attempt of the work ends them. Written by the agents' calls and the reaper; forgotten by age.
create table unended_works (
  work text not null,
  epoch bigint not null,
  at_ms bigint not null,
  primary key (work, epoch)
);

-- What a started program waits for outside the record: a code of `why` and the backend that holds it. Written by heartbeats.
alter table leases add column waits_code text;
alter table leases add column waits_by text;
alter table leases add column waits_ms bigint;

-- One row: the newest epoch that was given out, microseconds since 1970. Locked after the agents' rows (A10). No epoch is ever used twice,
-- not by a record that was restored from yesterday either, so they go by the clock: far above those of the sequence of before.
create table epoch_clock (
  one boolean primary key default true check (one),
  last bigint not null
) with (fillfactor = 40);
insert into epoch_clock (last) select last_value from epochs;
drop sequence epochs;

/* PostgreSQL's clock in microseconds since 1970. */
create function clock_us() returns bigint language sql volatile
  as $$ select (extract(epoch from clock_timestamp()) * 1000000)::bigint $$;

-- Whose record this is: fences on the platforms carry it. A restored copy has the same; epochs tell the two apart.
create table record_identity (
  one boolean primary key default true check (one),
  id text not null default gen_random_uuid()::text
);
insert into record_identity default values;

-- Version of the contract that an agent's process speaks (contract/agent.ts); what spoke before there were versions is 1.
alter table agents add column protocol integer not null default 1;

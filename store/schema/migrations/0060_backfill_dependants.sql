-- Backfills with the runs of other cycles that use their results, and from before the beginning of a cycle.

alter table backfills add column dependants boolean not null default false;
alter table backfills add column before_beginning boolean not null default false;

-- flows that this run is opened for; null: those of the backfill
alter table backfill_runs add column flows text[];
-- runs of one number wait for one another both ways, so they are unfinished at the same time whatever the concurrency; null: for none
alter table backfill_runs add column together integer;

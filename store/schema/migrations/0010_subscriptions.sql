-- Edges to other runs (protocol A11, docs/decisions/0006).

-- Whether another run waits for flows of this one, and the catalogue version that its rows speak of: read with the counter row, which
-- every exchange locks anyway. A run that moved to another version (D8) is noticed by whoever still holds the old one.
alter table run_counters add column subscribed boolean not null default false;
alter table run_counters add column version integer;
update run_counters c set version = r.catalogue_version from runs r where r.id = c.run_id;
alter table run_counters alter column version set not null;

-- What the upstream's run told last: 0 not done, 1 done, 2 done and tainted. Written under its counter row and the subscriber's.
-- released_ms and tainted are what the subscriber's coordinator has taken in, written by its exchange only.
alter table subscriptions add column told smallint not null default 0 check (told in (0, 1, 2));
comment on column subscriptions.told is 'what the upstream run told last: 0 not done, 1 done, 2 done and tainted';
comment on column subscriptions.released_ms is 'when the exchange of the waiting run took in that the upstream is done; null = not, or no more';

-- Of a waive: the other run that the edge comes from; null for an edge within the run.
alter table overrides add column edge_run text;
comment on column run_counters.version is 'catalogue version that the rows of the run speak of';

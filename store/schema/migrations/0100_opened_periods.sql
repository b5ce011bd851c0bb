-- Edges, backfills and 'the newest' count the periods that schedules open (docs/decisions/0020).

-- false: the version was stored before that rule, and its edges count every period
alter table catalogue_versions add column opened_periods boolean not null default false;

-- every period of the range, also those that no schedule opens; so were all backfills before this rule
alter table backfills add column every_period boolean not null default true;

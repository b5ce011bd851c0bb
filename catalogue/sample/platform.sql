-- What every platform database of the sample needs, besides its tables. Safe to run again.

create schema if not exists sample;

-- How a program says that it cannot do its work: its transaction fails with the message, so nothing is half written.
create or replace function public.sluice_require(condition boolean, message text) returns void
language plpgsql as $require$
begin
  if condition is not true then
    raise exception using errcode = 'P0001', message = message;
  end if;
end
$require$;

-- Control rows of distributions. They belong to the platform code (platforms/sql/fence.ts), which makes the same tables when it
-- comes first; they are here so that a check on them can run before the first distribution did. A test holds the two together.
-- deal_stat  0 = to be processed, 99 = finished, -100 = void, anything else = under way or failed
create schema if not exists sluice;
create table if not exists sluice.disp_export_ctl (
  distribution text not null,
  period text not null,
  run text not null,
  generation integer not null,
  source_table text not null,
  target_table text not null,
  agent text not null,
  deal_stat integer not null default 0,
  rows bigint,
  checksum text,
  staging_table text,
  updated_at timestamptz not null default clock_timestamp(),
  primary key (distribution, period, run, generation)
);
create table if not exists sluice.disp_import_ctl (like sluice.disp_export_ctl including all);
alter table sluice.disp_export_ctl add column if not exists time_zone text;
alter table sluice.disp_import_ctl add column if not exists time_zone text;

-- State of every user on the month's last day, since when, for how many days, and how often it changed in the month.
select sluice_require(
  exists (select from ods.user_state_event where happened_on <= :last_day::date),
  'ods.user_state_event has no rows up to ' || :last_day
);

delete from dwd.dwd_svc_usr_oxxtate_m where month = :period;

insert into dwd.dwd_svc_usr_oxxtate_m (month, user_id, account_id, state, state_since, days_in_state, changes_in_month)
select :period, subscriber.user_id, subscriber.account_id, latest.state, latest.happened_on,
       :last_day::date - latest.happened_on + 1, latest.changes
from (
  select distinct on (user_id) user_id, state, happened_on,
         count(*) filter (where happened_on >= :first_day::date) over (partition by user_id) as changes
  from ods.user_state_event
  where happened_on <= :last_day::date
  order by user_id, happened_on desc, event_id desc
) latest
join ods.subscriber subscriber using (user_id);

analyze dwd.dwd_svc_usr_oxxtate_m;

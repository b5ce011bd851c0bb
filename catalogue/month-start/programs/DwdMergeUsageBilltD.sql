-- Usage of the day by user and type, with the units of the busy hours (from 18 until 22) apart.
select sluice_require(
  exists (select from ods.usage_bill where day = :period),
  'ods.usage_bill has no rows of day ' || :period
);

delete from dwd.dwd_merge_usage_billt_d where day = :period;

insert into dwd.dwd_merge_usage_billt_d
  (day, account_id, user_id, usage_type, item_code, units, busy_hour_units, amount_fen)
select :period, subscriber.account_id, used.user_id, used.usage_type, kind.item_code, sum(used.units),
       coalesce(sum(used.units) filter (where used.hour between 18 and 21), 0), sum(used.amount_fen)
from ods.usage_bill used
join ods.usage_type kind using (usage_type)
join ods.subscriber subscriber using (user_id)
where used.day = :period
group by subscriber.account_id, used.user_id, used.usage_type, kind.item_code;

analyze dwd.dwd_merge_usage_billt_d;

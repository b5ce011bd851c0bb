-- Recurring charges of the day by user and item: a month's fee counts for the days used of the day's month.
select sluice_require(
  exists (select from ods.rc_bill_dtl where day = :period),
  'ods.rc_bill_dtl has no rows of day ' || :period
);

delete from dwd.dwd_merge_rc_bill_dtl_d where day = :period;

insert into dwd.dwd_merge_rc_bill_dtl_d (day, account_id, user_id, item_code, amount_fen)
select :period, subscriber.account_id, charge.user_id, charge.item_code,
       sum(round(charge.full_fen * charge.used_days::numeric
         / extract(day from date_trunc('month', :last_day::date) + interval '1 month - 1 day')))
from ods.rc_bill_dtl charge
join ods.subscriber subscriber using (user_id)
where charge.day = :period
group by subscriber.account_id, charge.user_id, charge.item_code;

analyze dwd.dwd_merge_rc_bill_dtl_d;

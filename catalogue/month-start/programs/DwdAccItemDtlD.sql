-- Charges of the day by account and item out of the five detail families, promotions taken off, and whether the account
-- has a daily bill.
select sluice_require(
  exists (select from dwd.dwd_merge_rc_bill_dtl_d where day = :period),
  'dwd.dwd_merge_rc_bill_dtl_d has no rows of day ' || :period
);

delete from dwd.dwd_acc_item_dtl_d where day = :period;

insert into dwd.dwd_acc_item_dtl_d (day, account_id, item_code, users, amount_fen, in_daily_bill)
with charge as (
  select account_id, user_id, item_code, amount_fen from dwd.dwd_merge_rc_bill_dtl_d where day = :period
  union all
  select account_id, user_id, item_code, -discount_fen from dwd.dwd_merge_prom_bill_d where day = :period
  union all
  select account_id, user_id, item_code, amount_fen from dwd.dwd_merge_srvc_dtl1_d where day = :period
  union all
  select account_id, user_id, item_code, amount_fen from dwd.dwd_merge_usage_billt_d where day = :period
  union all
  select account_id, user_id, item_code, amount_fen from dwd.dwd_merge_bill_dtl3_d where day = :period
)
select :period, charge.account_id, charge.item_code, count(distinct charge.user_id), sum(charge.amount_fen),
       exists (select from dwd.dwd_merge_daily_bill_d bill where bill.day = :period and bill.account_id = charge.account_id)
from charge
group by charge.account_id, charge.item_code;

analyze dwd.dwd_acc_item_dtl_d;

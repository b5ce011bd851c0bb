-- Financial details of the day by account and category, with the tax contained in them and the account's daily bill.
select sluice_require(
  exists (select from dwd.dwd_merge_daily_bill_d where day = :period),
  'dwd.dwd_merge_daily_bill_d has no rows of day ' || :period
);

delete from dwd.dwd_acc_fin_item_dtl_d where day = :period;

insert into dwd.dwd_acc_fin_item_dtl_d (day, account_id, category, amount_fen, tax_fen, billed_fen)
with charge as (
  select account_id, item_code, amount_fen from dwd.dwd_merge_rc_bill_dtl_d where day = :period
  union all
  select account_id, item_code, -discount_fen from dwd.dwd_merge_prom_bill_d where day = :period
  union all
  select account_id, item_code, amount_fen from dwd.dwd_merge_srvc_dtl1_d where day = :period
  union all
  select account_id, item_code, amount_fen from dwd.dwd_merge_usage_billt_d where day = :period
  union all
  select account_id, item_code, amount_fen from dwd.dwd_merge_bill_dtl3_d where day = :period
), summed as (
  select charge.account_id, item.category, item.tax_permille, sum(charge.amount_fen) as amount_fen
  from charge
  join ods.acc_item item using (item_code)
  group by charge.account_id, item.category, item.tax_permille
)
select :period, summed.account_id, summed.category, summed.amount_fen,
       round(summed.amount_fen * summed.tax_permille / (1000 + summed.tax_permille)), coalesce(bill.amount_fen, 0)
from summed
left join dwd.dwd_merge_daily_bill_d bill on bill.day = :period and bill.account_id = summed.account_id;

analyze dwd.dwd_acc_fin_item_dtl_d;

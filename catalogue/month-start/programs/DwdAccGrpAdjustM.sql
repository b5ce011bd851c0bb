-- Approved adjustments of group accounts by group, credits and debits apart, beside what the group was billed.
select sluice_require(
  exists (select from ods.adjustment where month = :period),
  'ods.adjustment has no rows of month ' || :period
);

delete from dwd.dwd_acc_grp_adjust_m where month = :period;

insert into dwd.dwd_acc_grp_adjust_m (month, group_id, adjustments, credit_fen, debit_fen, billed_fen)
with adjusted as (
  select account.customer_id, count(*) as adjustments,
         -sum(least(adjustment.amount_fen, 0)) as credit_fen, sum(greatest(adjustment.amount_fen, 0)) as debit_fen
  from ods.adjustment adjustment
  join ods.account account using (account_id)
  where adjustment.month = :period and adjustment.approved
  group by account.customer_id
), billed as (
  select customer_id, sum(amount_fen) as billed_fen
  from dwd.dwd_acc_fin_item_dtl_m
  where month = :period
  group by customer_id
)
select :period, grp.group_id, adjusted.adjustments, adjusted.credit_fen, adjusted.debit_fen, coalesce(billed.billed_fen, 0)
from ods.group_customer grp
join adjusted using (customer_id)
left join billed using (customer_id);

analyze dwd.dwd_acc_grp_adjust_m;

-- What groups owe from earlier months: owing accounts, amount, the oldest unpaid month, beside this month's bills.
select sluice_require(
  exists (select from ods.owe where month = :period),
  'ods.owe has no rows of month ' || :period
);

delete from dwd.dwd_acc_grp_owe_info_m where month = :period;

insert into dwd.dwd_acc_grp_owe_info_m (month, group_id, accounts, owed_fen, oldest_bill_month, billed_fen)
with owing as (
  select account.customer_id, count(distinct owe.account_id) as accounts, sum(owe.owed_fen) as owed_fen,
         min(owe.bill_month) as oldest_bill_month
  from ods.owe owe
  join ods.account account using (account_id)
  where owe.month = :period
  group by account.customer_id
), billed as (
  select customer_id, sum(due_fen) as billed_fen
  from dwd.dwd_merge_bill_m
  where month = :period
  group by customer_id
)
select :period, grp.group_id, owing.accounts, owing.owed_fen, owing.oldest_bill_month, coalesce(billed.billed_fen, 0)
from ods.group_customer grp
join owing using (customer_id)
left join billed using (customer_id);

analyze dwd.dwd_acc_grp_owe_info_m;

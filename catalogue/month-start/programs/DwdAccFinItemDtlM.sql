-- Financial details of the month by account and category: bill items by the category of the item, product charges and
-- value-added details as categories of their own. Tax is contained in the amounts.
select sluice_require(
  exists (select from dwd.dwd_merge_bill_item_m where month = :period),
  'dwd.dwd_merge_bill_item_m has no rows of month ' || :period
);

delete from dwd.dwd_acc_fin_item_dtl_m where month = :period;

insert into dwd.dwd_acc_fin_item_dtl_m (month, account_id, customer_id, category, amount_fen, tax_fen, net_fen)
with charge as (
  select bill.account_id, item.category, item.tax_permille, sum(merged.amount_fen) as amount_fen
  from dwd.dwd_merge_bill_item_m merged
  join ods.acc_item item using (item_code)
  join dwd.dwd_merge_bill_m bill on bill.month = :period and bill.bill_id = merged.bill_id
  where merged.month = :period
  group by bill.account_id, item.category, item.tax_permille
  union all
  select account_id, 'product', 60, sum(amount_fen)
  from dwd.dwd_merge_bill_prod_m
  where month = :period
  group by account_id
  union all
  select account_id, 'detail4', 60, sum(amount_fen)
  from dwd.dwd_merge_bill_dtl4_m
  where month = :period
  group by account_id
), taxed as (
  select account_id, category, amount_fen, round(amount_fen * tax_permille::numeric / (1000 + tax_permille)) as tax_fen
  from charge
)
select :period, taxed.account_id, account.customer_id, taxed.category, taxed.amount_fen, taxed.tax_fen,
       taxed.amount_fen - taxed.tax_fen
from taxed
join ods.account account using (account_id);

analyze dwd.dwd_acc_fin_item_dtl_m;

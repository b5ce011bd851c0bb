-- Bills of the month in their last version, with account, customer and region. One row for each bill.
select sluice_require(
  exists (select from ods.bill where month = :period),
  'ods.bill has no rows of month ' || :period
);

delete from dwd.dwd_merge_bill_m where month = :period;

insert into dwd.dwd_merge_bill_m
  (month, bill_id, account_id, customer_id, region_code, pay_mode, total_fen, discount_fen, due_fen, corrections)
select :period, bill.bill_id, bill.account_id, account.customer_id, customer.region_code, account.pay_mode,
       bill.total_fen, bill.discount_fen, bill.total_fen - bill.discount_fen, bill.version - 1
from (
  select distinct on (bill_id) bill_id, version, account_id, total_fen, discount_fen
  from ods.bill
  where month = :period
  order by bill_id, version desc
) bill
join ods.account account using (account_id)
join ods.customer customer using (customer_id);

analyze dwd.dwd_merge_bill_m;

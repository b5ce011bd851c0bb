-- Daily bills by account, all batches of the day together.
select sluice_require(
  exists (select from ods.daily_bill where day = :period),
  'ods.daily_bill has no rows of day ' || :period
);

delete from dwd.dwd_merge_daily_bill_d where day = :period;

insert into dwd.dwd_merge_daily_bill_d (day, account_id, region_code, batches, amount_fen)
select :period, bill.account_id, customer.region_code, count(*), sum(bill.amount_fen)
from ods.daily_bill bill
join ods.account account using (account_id)
join ods.customer customer using (customer_id)
where bill.day = :period
group by bill.account_id, customer.region_code;

analyze dwd.dwd_merge_daily_bill_d;

-- Product charges of the month by user and product.
select sluice_require(
  exists (select from ods.bill_prod where month = :period),
  'ods.bill_prod has no rows of month ' || :period
);

delete from dwd.dwd_merge_bill_prod_m where month = :period;

insert into dwd.dwd_merge_bill_prod_m (month, account_id, user_id, prod_code, charges, amount_fen)
select :period, subscriber.account_id, charge.user_id, charge.prod_code, count(*), sum(charge.amount_fen)
from ods.bill_prod charge
join ods.subscriber subscriber using (user_id)
where charge.month = :period
group by subscriber.account_id, charge.user_id, charge.prod_code;

analyze dwd.dwd_merge_bill_prod_m;

-- Promotions granted on the day by user and item.
select sluice_require(
  exists (select from ods.prom_bill where day = :period),
  'ods.prom_bill has no rows of day ' || :period
);

delete from dwd.dwd_merge_prom_bill_d where day = :period;

insert into dwd.dwd_merge_prom_bill_d (day, account_id, user_id, item_code, promotions, discount_fen)
select :period, subscriber.account_id, granted.user_id, granted.item_code, count(distinct granted.promo_code), sum(granted.discount_fen)
from ods.prom_bill granted
join ods.subscriber subscriber using (user_id)
where granted.day = :period
group by subscriber.account_id, granted.user_id, granted.item_code;

analyze dwd.dwd_merge_prom_bill_d;

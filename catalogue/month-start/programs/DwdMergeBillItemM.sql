-- Bill items of the month by bill, user and item. A corrected item counts with its last delivery only.
select sluice_require(
  exists (select from ods.bill_item where month = :period),
  'ods.bill_item has no rows of month ' || :period
);

delete from dwd.dwd_merge_bill_item_m where month = :period;

insert into dwd.dwd_merge_bill_item_m (month, bill_id, user_id, item_code, items, amount_fen)
select :period, item.bill_id, item.user_id, item.item_code, count(*), sum(item.amount_fen)
from ods.bill_item item
where item.month = :period
  and not exists (
    select from ods.bill_item later
    where later.month = :period and later.delivery > 1
      and later.item_seq = item.item_seq and later.delivery > item.delivery
  )
group by item.bill_id, item.user_id, item.item_code;

analyze dwd.dwd_merge_bill_item_m;

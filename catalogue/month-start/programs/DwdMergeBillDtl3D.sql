-- Bill details of the day (family 3) by user and item. A corrected detail counts with its last delivery only.
select sluice_require(
  exists (select from ods.bill_dtl3 where day = :period),
  'ods.bill_dtl3 has no rows of day ' || :period
);

delete from dwd.dwd_merge_bill_dtl3_d where day = :period;

insert into dwd.dwd_merge_bill_dtl3_d (day, account_id, user_id, item_code, details, amount_fen)
select :period, subscriber.account_id, detail.user_id, detail.item_code, count(*), sum(detail.amount_fen)
from (
  select distinct on (seq) seq, user_id, item_code, amount_fen
  from ods.bill_dtl3
  where day = :period
  order by seq, delivery desc
) detail
join ods.subscriber subscriber using (user_id)
group by subscriber.account_id, detail.user_id, detail.item_code;

analyze dwd.dwd_merge_bill_dtl3_d;

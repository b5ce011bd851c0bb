-- Has all billing data of the month arrived on the appliance? Every feed that billing announced must be there with exactly
-- the rows and the sum of amounts that it announced.
select count(*) > 0 and bool_and(
         announced.expected_rows = coalesce(arrived.rows, 0)
         and announced.expected_fen = coalesce(arrived.fen, 0)
       ) as in_place
from ods.billing_control announced
left join (
  select 'bill' as feed, count(*) as rows, sum(total_fen) as fen from ods.bill where month = :period
  union all
  select 'bill_item', count(*), sum(amount_fen) from ods.bill_item where month = :period
  union all
  select 'bill_prod', count(*), sum(amount_fen) from ods.bill_prod where month = :period
  union all
  select 'bill_dtl4', count(*), sum(amount_fen) from ods.bill_dtl4 where month = :period
) arrived using (feed)
where announced.month = :period;

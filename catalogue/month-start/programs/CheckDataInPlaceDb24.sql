-- The same question on DB24, which holds bills and value-added details only.
select count(*) > 0 and bool_and(
         announced.expected_rows = coalesce(arrived.rows, 0)
         and announced.expected_fen = coalesce(arrived.fen, 0)
       ) as in_place
from db24.billing_control announced
left join (
  select 'bill' as feed, count(*) as rows, sum(total_fen) as fen from db24.bill where month = :period
  union all
  select 'bill_dtl4', count(*), sum(amount_fen) from db24.bill_dtl4 where month = :period
) arrived using (feed)
where announced.month = :period;

-- Bills of the month summed up by customer, with the customer's rank by amount inside its segment.
select sluice_require(
  exists (select from dwd.dwd_merge_bill_m where month = :period),
  'dwd.dwd_merge_bill_m has no rows of month ' || :period
);

delete from dwd.dwd_acc_sum_bill_m where month = :period;

insert into dwd.dwd_acc_sum_bill_m (month, customer_id, segment, bills, due_fen, rank_in_segment)
select :period, customer_id, customer.segment, summed.bills, summed.due_fen,
       rank() over (partition by customer.segment order by summed.due_fen desc)
from (
  select customer_id, count(*) as bills, sum(due_fen) as due_fen
  from dwd.dwd_merge_bill_m
  where month = :period
  group by customer_id
) summed
join ods.customer customer using (customer_id);

analyze dwd.dwd_acc_sum_bill_m;

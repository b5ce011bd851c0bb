-- Write-offs of the month by account: due, paid, still open (never below zero), and what came in electronically.
select sluice_require(
  exists (select from ods.writeoff where month = :period),
  'ods.writeoff has no rows of month ' || :period
);

delete from dwd.dwd_acc_writeoff_rec_m where month = :period;

insert into dwd.dwd_acc_writeoff_rec_m (month, account_id, due_fen, paid_fen, open_fen, payments, electronic_fen)
with paid as (
  select bill_id, sum(paid_fen) as paid_fen, count(*) as payments,
         sum(paid_fen) filter (where channel in ('app', 'bank')) as electronic_fen
  from ods.writeoff
  where month = :period
  group by bill_id
)
select :period, bill.account_id, sum(bill.due_fen), coalesce(sum(paid.paid_fen), 0),
       sum(greatest(bill.due_fen - coalesce(paid.paid_fen, 0), 0)), coalesce(sum(paid.payments), 0),
       coalesce(sum(paid.electronic_fen), 0)
from dwd.dwd_merge_bill_m bill
left join paid using (bill_id)
where bill.month = :period
group by bill.account_id;

analyze dwd.dwd_acc_writeoff_rec_m;

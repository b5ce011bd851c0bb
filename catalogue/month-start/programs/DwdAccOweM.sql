-- What accounts owe from earlier months, by age of the bill in months, beside what is due this month.
select sluice_require(
  exists (select from ods.owe where month = :period),
  'ods.owe has no rows of month ' || :period
);

delete from dwd.dwd_acc_owe_m where month = :period;

insert into dwd.dwd_acc_owe_m
  (month, account_id, owed_fen, owed_1_3_fen, owed_4_6_fen, owed_over_6_fen, months_owed, due_this_month_fen)
with aged as (
  select account_id, owed_fen,
         (left(:period, 4)::int - left(bill_month, 4)::int) * 12 + right(:period, 2)::int - right(bill_month, 2)::int as age
  from ods.owe
  where month = :period
), due as (
  select account_id, sum(due_fen) as due_fen
  from dwd.dwd_merge_bill_m
  where month = :period
  group by account_id
)
select :period, account_id, sum(owed_fen),
       coalesce(sum(owed_fen) filter (where age between 1 and 3), 0),
       coalesce(sum(owed_fen) filter (where age between 4 and 6), 0),
       coalesce(sum(owed_fen) filter (where age > 6), 0),
       count(*), coalesce(max(due.due_fen), 0)
from aged
left join due using (account_id)
group by account_id;

analyze dwd.dwd_acc_owe_m;

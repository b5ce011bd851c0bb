-- Prepayments split evenly over their months: the part of this month by account, what is left after it, and how much of
-- the account's charges it covers. The parts of a prepayment add up to its amount to the fen: part n is the difference
-- of the rounded-down sums up to n and up to n-1.
select sluice_require(
  exists (select from ods.prepay),
  'ods.prepay has no rows'
);

delete from dwd.dwd_acc_prepay_splited_m where month = :period;

insert into dwd.dwd_acc_prepay_splited_m
  (month, account_id, prepayments, split_fen, remaining_fen, charged_fen, covered_fen)
with running as (
  select account_id, amount_fen, months,
         (left(:period, 4)::int - left(first_month, 4)::int) * 12 + right(:period, 2)::int - right(first_month, 2)::int + 1 as part
  from ods.prepay
), split as (
  select account_id, count(*) as prepayments,
         sum(amount_fen * part / months - amount_fen * (part - 1) / months) as split_fen,
         sum(amount_fen - amount_fen * part / months) as remaining_fen
  from running
  where part between 1 and months
  group by account_id
), charged as (
  select account_id, sum(amount_fen) as charged_fen
  from dwd.dwd_acc_fin_item_dtl_m
  where month = :period
  group by account_id
)
select :period, split.account_id, split.prepayments, split.split_fen, split.remaining_fen,
       coalesce(charged.charged_fen, 0), least(split.split_fen, coalesce(charged.charged_fen, 0))
from split
left join charged using (account_id);

analyze dwd.dwd_acc_prepay_splited_m;

-- The day's part of the prepayments by account: the month's part split over the days of the month, again so that the
-- parts add up to the fen, and how much of the day's charges it covers.
select sluice_require(
  exists (select from ods.prepay),
  'ods.prepay has no rows'
);

delete from dwd.dwd_acc_prepay_splited_d where day = :period;

insert into dwd.dwd_acc_prepay_splited_d (day, account_id, split_fen, charged_fen, items, covered_fen)
with running as (
  select account_id, amount_fen, months,
         (left(:period, 4)::int - left(first_month, 4)::int) * 12 + substr(:period, 5, 2)::int - right(first_month, 2)::int + 1 as part
  from ods.prepay
), month_part as (
  select account_id, amount_fen * part / months - amount_fen * (part - 1) / months as fen,
         right(:period, 2)::int as day_number,
         extract(day from date_trunc('month', :last_day::date) + interval '1 month - 1 day')::int as days
  from running
  where part between 1 and months
), split as (
  select account_id, sum(fen * day_number / days - fen * (day_number - 1) / days) as split_fen
  from month_part
  group by account_id
), charged as (
  select account_id, sum(amount_fen) as charged_fen
  from dwd.dwd_acc_fin_item_dtl_d
  where day = :period
  group by account_id
), item as (
  select account_id, count(*) as items
  from dwd.dwd_acc_item_dtl_d
  where day = :period
  group by account_id
)
select :period, split.account_id, split.split_fen, coalesce(charged.charged_fen, 0), coalesce(item.items, 0),
       greatest(least(split.split_fen, coalesce(charged.charged_fen, 0)), 0)
from split
left join charged using (account_id)
left join item using (account_id);

analyze dwd.dwd_acc_prepay_splited_d;

-- Closing balances of the balance pockets by account, one column for each type, and what was used in the month. A pocket
-- cannot be overdrawn: its balance ends at zero and the rest is no use of the pocket.
select sluice_require(
  exists (select from ods.pocket where month = :period),
  'ods.pocket has no rows of month ' || :period || ', the interface of the balance pockets has not delivered'
);

delete from dwd.dwd_acc_pocket_m where month = :period;

insert into dwd.dwd_acc_pocket_m (month, account_id, cash_fen, gift_fen, points_fen, used_fen)
with pocket as (
  select account_id, pocket_type, greatest(opening_fen + in_fen - out_fen, 0) as closing_fen,
         least(out_fen, opening_fen + in_fen) as used_fen
  from ods.pocket
  where month = :period
)
select :period, account_id,
       coalesce(sum(closing_fen) filter (where pocket_type = 'cash'), 0),
       coalesce(sum(closing_fen) filter (where pocket_type = 'gift'), 0),
       coalesce(sum(closing_fen) filter (where pocket_type = 'points'), 0),
       sum(used_fen)
from pocket
group by account_id;

analyze dwd.dwd_acc_pocket_m;

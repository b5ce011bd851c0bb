-- Approved adjustments of the month by account and type of reason, for accounts that were billed in the month. Only
-- reasons marked so touch revenue.
select sluice_require(
  exists (select from ods.adjustment where month = :period),
  'ods.adjustment has no rows of month ' || :period
);

delete from dwd.dwd_acc_adjust_busi_rec_dm_m where month = :period;

insert into dwd.dwd_acc_adjust_busi_rec_dm_m (month, account_id, reason_type, adjustments, amount_fen, revenue_effect_fen)
select :period, adjustment.account_id, reason.reason_type, count(*), sum(adjustment.amount_fen),
       coalesce(sum(adjustment.amount_fen) filter (where reason.affects_revenue), 0)
from ods.adjustment adjustment
join ods.adjust_reason reason using (reason_code)
where adjustment.month = :period and adjustment.approved
  and exists (
    select from dwd.dwd_acc_fin_item_dtl_m item where item.month = :period and item.account_id = adjustment.account_id
  )
group by adjustment.account_id, reason.reason_type;

analyze dwd.dwd_acc_adjust_busi_rec_dm_m;

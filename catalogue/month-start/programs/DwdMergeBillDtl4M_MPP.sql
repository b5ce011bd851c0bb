-- Value-added details of the month on the MPP, from its own load of the feed: must come to the same as DwdMergeBillDtl4M.
select sluice_require(
  exists (select from ods_mpp.bill_dtl4 where month = :period),
  'ods_mpp.bill_dtl4 has no rows of month ' || :period
);

delete from dwd_mpp.dwd_merge_bill_dtl4_m where month = :period;

insert into dwd_mpp.dwd_merge_bill_dtl4_m (month, account_id, user_id, service_code, events, active_days, units, amount_fen)
select :period, subscriber.account_id, detail.user_id, detail.service_code, count(*), count(distinct detail.event_on),
       sum(detail.units), sum(detail.amount_fen)
from ods_mpp.bill_dtl4 detail
join ods_mpp.subscriber subscriber using (user_id)
where detail.month = :period
group by subscriber.account_id, detail.user_id, detail.service_code;

analyze dwd_mpp.dwd_merge_bill_dtl4_m;

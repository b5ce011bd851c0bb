-- Service details of the day (family 1) by user and the account item that the service is billed under.
select sluice_require(
  exists (select from ods.srvc_dtl1 where day = :period),
  'ods.srvc_dtl1 has no rows of day ' || :period
);

delete from dwd.dwd_merge_srvc_dtl1_d where day = :period;

insert into dwd.dwd_merge_srvc_dtl1_d (day, account_id, user_id, item_code, units, amount_fen)
select :period, subscriber.account_id, detail.user_id, service.item_code, sum(detail.units), sum(detail.amount_fen)
from ods.srvc_dtl1 detail
join ods.service service using (service_code)
join ods.subscriber subscriber using (user_id)
where detail.day = :period
group by subscriber.account_id, detail.user_id, service.item_code;

analyze dwd.dwd_merge_srvc_dtl1_d;

-- Report: users, new users and usage by region and plan.
select sluice_require(
  exists (select from dwd_mpp.dwd_usr_localized_m where month = :period),
  'dwd_mpp.dwd_usr_localized_m has no rows of month ' || :period
);

delete from app.app_region_user_m where month = :period;

insert into app.app_region_user_m (month, region_code, plan_code, users, new_users, data_mb, voice_min)
select :period, localized.region_code, localized.plan_code, count(*),
       count(*) filter (where subscriber.activated_on between :first_day::date and :last_day::date),
       coalesce(sum(usage.data_mb), 0), coalesce(sum(usage.voice_min), 0)
from dwd_mpp.dwd_usr_localized_m localized
join ods_mpp.subscriber subscriber using (user_id)
left join ods_mpp.usr_usage usage on usage.month = :period and usage.user_id = localized.user_id
where localized.month = :period
group by localized.region_code, localized.plan_code;

analyze app.app_region_user_m;

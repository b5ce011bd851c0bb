-- Localized user table built on the MPP from its own copies of users and cells: every user who was active by the month's
-- last day, at the cell where he mostly was, in the region of that cell. When the distribution supplied the table, this
-- work is passed by hand instead, and both ways come to the same rows.
select sluice_require(
  exists (select from ods_mpp.usr_roamed_cell where month = :period),
  'ods_mpp.usr_roamed_cell has no rows of month ' || :period
);

delete from dwd_mpp.dwd_usr_localized_m where month = :period;

insert into dwd_mpp.dwd_usr_localized_m (month, user_id, account_id, plan_code, cell_id, region_code)
select :period, subscriber.user_id, subscriber.account_id, subscriber.plan_code, station.cell_id, station.region_code
from ods_mpp.subscriber subscriber
left join ods_mpp.usr_roamed_cell roamed on roamed.month = :period and roamed.user_id = subscriber.user_id
join ods_mpp.base_station station on station.cell_id = coalesce(roamed.cell_id, subscriber.home_cell)
where subscriber.activated_on <= :last_day::date;

analyze dwd_mpp.dwd_usr_localized_m;

-- Report: 5G terminals by region, and how many of them sit at a cell that is still 4G.
select sluice_require(
  exists (select from dwd_mpp.dwd_usr_localized_m where month = :period),
  'dwd_mpp.dwd_usr_localized_m has no rows of month ' || :period
);

delete from app.app_region_terminal_m where month = :period;

insert into app.app_region_terminal_m (month, region_code, users, users_5g, users_5g_on_4g_cell, share_5g_permille)
select :period, localized.region_code, count(*),
       count(*) filter (where terminal.terminal_class = '5G'),
       count(*) filter (where terminal.terminal_class = '5G' and station.technology = '4G'),
       round(1000.0 * count(*) filter (where terminal.terminal_class = '5G') / count(*))
from dwd_mpp.dwd_usr_localized_m localized
join ods_mpp.usr_terminal terminal using (user_id)
join ods_mpp.base_station station using (cell_id)
where localized.month = :period
group by localized.region_code;

analyze app.app_region_terminal_m;

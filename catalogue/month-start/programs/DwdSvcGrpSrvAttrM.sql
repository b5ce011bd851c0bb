-- Attributes of group services as they were on the month's last day, one column for each attribute, and the units of the
-- service that the group's members used.
select sluice_require(
  exists (select from ods.group_service_attr),
  'ods.group_service_attr has no rows'
);

delete from dwd.dwd_svc_grp_srv_attr_m where month = :period;

insert into dwd.dwd_svc_grp_srv_attr_m (month, group_id, service_code, bandwidth_mbps, seats, sla_hours, member_units)
with attribute as (
  select group_id, service_code,
         max(attr_value) filter (where attr_name = 'bandwidth_mbps') as bandwidth_mbps,
         max(attr_value) filter (where attr_name = 'seats') as seats,
         max(attr_value) filter (where attr_name = 'sla_hours') as sla_hours
  from ods.group_service_attr
  where valid_from <= :last_day::date and (valid_to is null or valid_to >= :last_day::date)
  group by group_id, service_code
), used as (
  select member.group_id, detail.service_code, sum(detail.units) as units
  from ods.group_member member
  join dwd.dwd_merge_bill_dtl4_m detail on detail.month = :period and detail.user_id = member.user_id
  where member.joined_on <= :last_day::date and (member.left_on is null or member.left_on > :last_day::date)
  group by member.group_id, detail.service_code
)
select :period, group_id, service_code, bandwidth_mbps, seats, sla_hours, coalesce(used.units, 0)
from attribute
left join used using (group_id, service_code);

analyze dwd.dwd_svc_grp_srv_attr_m;

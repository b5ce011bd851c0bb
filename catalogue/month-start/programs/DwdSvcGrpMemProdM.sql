-- Products of group members: for each group and product the members who were charged for it, while they were members on
-- the month's last day.
select sluice_require(
  exists (select from ods.group_member),
  'ods.group_member has no rows'
);

delete from dwd.dwd_svc_grp_mem_prod_m where month = :period;

insert into dwd.dwd_svc_grp_mem_prod_m (month, group_id, prod_code, members, charges, amount_fen)
select :period, member.group_id, charge.prod_code, count(distinct charge.user_id), sum(charge.charges), sum(charge.amount_fen)
from ods.group_member member
join dwd.dwd_merge_bill_prod_m charge on charge.month = :period and charge.user_id = member.user_id
where member.joined_on <= :last_day::date and (member.left_on is null or member.left_on > :last_day::date)
group by member.group_id, charge.prod_code;

analyze dwd.dwd_svc_grp_mem_prod_m;

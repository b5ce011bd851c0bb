-- Groups of the month: region and value class, accounts, members on the last day, and what their accounts were billed.
select sluice_require(
  exists (select from ods.group_customer),
  'ods.group_customer has no rows'
);

delete from dwd.dwd_prty_grp_info_m where month = :period;

insert into dwd.dwd_prty_grp_info_m (month, group_id, group_name, region_code, value_class, accounts, members, billed_fen)
select :period, grp.group_id, grp.group_name, customer.region_code, grp.value_class,
       coalesce(billed.accounts, 0), coalesce(member.members, 0), coalesce(billed.billed_fen, 0)
from ods.group_customer grp
join ods.customer customer using (customer_id)
left join (
  select customer_id, count(*) as accounts, sum(due_fen) as billed_fen
  from dwd.dwd_merge_bill_m
  where month = :period
  group by customer_id
) billed using (customer_id)
left join (
  select group_id, count(*) as members
  from ods.group_member
  where joined_on <= :last_day::date and (left_on is null or left_on > :last_day::date)
  group by group_id
) member using (group_id);

analyze dwd.dwd_prty_grp_info_m;

-- Voice-menu dimension of the month: the menu as it stood on the month's last day, walked from its root. A node that
-- speaks about an account item gets the category of that item in this month's dimension.
select sluice_require(
  exists (select from dim.dim_acc_item_code where month = :period),
  'dim.dim_acc_item_code has no rows of month ' || :period
);

delete from dim.dim_evt_ivr_node where month = :period;

insert into dim.dim_evt_ivr_node (month, node_id, node_name, parent_id, depth, path, item_code, item_category)
with recursive node as (
  select node_id, parent_id, node_name, item_code
  from ods.ivr_node
  where valid_from <= :last_day::date and (valid_to is null or valid_to >= :last_day::date)
), menu as (
  select node_id, parent_id, node_name, item_code, 1 as depth, node_id::text as path
  from node
  where parent_id is null
  union all
  select node.node_id, node.parent_id, node.node_name, node.item_code, menu.depth + 1, menu.path || '-' || node.node_id
  from menu
  join node on node.parent_id = menu.node_id
)
select :period, menu.node_id, menu.node_name, menu.parent_id, menu.depth, menu.path, dimension.item_code, dimension.category
from menu
left join dim.dim_acc_item_code dimension on dimension.month = :period and dimension.item_code = menu.item_code;

analyze dim.dim_evt_ivr_node;

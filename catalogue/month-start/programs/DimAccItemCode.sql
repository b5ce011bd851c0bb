-- Account-item dimension of the month: the customer's report tree (roots, lines, items) walked from its roots, with the
-- category and tax rate of the items that billing knows. One row for each node of the tree.
select sluice_require(
  exists (select from shfin.rpt_vr011 where month = :period),
  'shfin.rpt_vr011 has no rows of month ' || :period || ', the distribution has not supplied them'
);

delete from dim.dim_acc_item_code where month = :period;

insert into dim.dim_acc_item_code
  (month, item_code, item_name, parent_code, root_code, level, path, category, tax_permille, in_arpu, is_leaf)
with recursive tree as (
  select item_code, item_name, parent_code, in_arpu, item_code as root_code, 1 as level, item_code as path
  from shfin.rpt_vr011
  where month = :period and parent_code is null
  union all
  select child.item_code, child.item_name, child.parent_code, child.in_arpu and tree.in_arpu,
         tree.root_code, tree.level + 1, tree.path || '/' || child.item_code
  from tree
  join shfin.rpt_vr011 child on child.month = :period and child.parent_code = tree.item_code
)
select :period, tree.item_code, coalesce(item.item_name, tree.item_name), tree.parent_code, tree.root_code, tree.level,
       tree.path, item.category, item.tax_permille, tree.in_arpu,
       not exists (select from shfin.rpt_vr011 child where child.month = :period and child.parent_code = tree.item_code)
from tree
left join ods.acc_item item using (item_code);

analyze dim.dim_acc_item_code;

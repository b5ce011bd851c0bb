-- Map from the pages of the web shop's navigation tree to the account items that they show. Pages of items which the
-- month's dimension does not have are left out.
select sluice_require(
  exists (select from dim.dim_acc_item_code where month = :period),
  'dim.dim_acc_item_code has no rows of month ' || :period
);

delete from dim.dim_acc_wms_navtreemap where month = :period;

insert into dim.dim_acc_wms_navtreemap (month, nav_id, root_nav_id, depth, title_path, item_code, root_code)
with recursive page as (
  select nav_id, nav_id as root_nav_id, 1 as depth, title as title_path, item_code
  from ods.wms_nav_tree
  where parent_id is null
  union all
  select child.nav_id, page.root_nav_id, page.depth + 1, page.title_path || ' > ' || child.title, child.item_code
  from page
  join ods.wms_nav_tree child on child.parent_id = page.nav_id
)
select :period, page.nav_id, page.root_nav_id, page.depth, page.title_path, dimension.item_code, dimension.root_code
from page
join dim.dim_acc_item_code dimension on dimension.month = :period and dimension.item_code = page.item_code;

analyze dim.dim_acc_wms_navtreemap;

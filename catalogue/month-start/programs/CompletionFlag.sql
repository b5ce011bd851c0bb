-- Completion flag of the main-plan dimension. The flag is never set without the update: the dimension must hold this
-- month's rows, one for each plan that the customer ever maintained up to the month.
select sluice_require(
  exists (select from dim.dim_main_plan where month = :period),
  'dim.dim_main_plan has no rows of month ' || :period || ', the dimension was not updated'
);

select sluice_require(
  (select count(*) from dim.dim_main_plan where month = :period)
    = (select count(distinct plan_code) from shfin.main_plan_maintained where month <= :period),
  'dim.dim_main_plan lacks plans of month ' || :period
);

delete from dim.dim_completion_flag where dimension = 'main_plan' and month = :period;

insert into dim.dim_completion_flag (dimension, month, dimension_rows, completed_at)
select 'main_plan', :period, count(*), clock_timestamp()
from dim.dim_main_plan
where month = :period;

analyze dim.dim_completion_flag;

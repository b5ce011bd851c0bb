-- Main-plan dimension of the month: every plan in its newest definition up to the month, the change of its fee against the
-- definition before, and the users who have it by the last day.
select sluice_require(
  exists (select from shfin.main_plan_maintained where month = :period),
  'shfin.main_plan_maintained has no rows of month ' || :period || ', the customer has not maintained it'
);

delete from dim.dim_main_plan where month = :period;

insert into dim.dim_main_plan
  (month, plan_code, plan_name, family, monthly_fee_fen, fee_change_fen, on_sale, maintained_month, users)
with definition as (
  select *, lag(monthly_fee_fen) over plan as fee_before, row_number() over (partition by plan_code order by month desc) as newest
  from shfin.main_plan_maintained
  where month <= :period
  window plan as (partition by plan_code order by month)
)
select :period, plan_code, plan_name, family, monthly_fee_fen, monthly_fee_fen - coalesce(fee_before, monthly_fee_fen),
       on_sale, month, coalesce(having_it.users, 0)
from definition
left join (
  select plan_code, count(*) as users
  from ods.subscriber
  where activated_on <= :last_day::date
  group by plan_code
) having_it using (plan_code)
where newest = 1;

analyze dim.dim_main_plan;

-- Service-skill dimension of the month: for each skill how many account items of its category the month knows, and how
-- many agents had it on the last day (senior = grade 4 and 5).
select sluice_require(
  exists (select from dim.dim_acc_item_code where month = :period),
  'dim.dim_acc_item_code has no rows of month ' || :period
);

delete from dim.dim_evt_csr_skill where month = :period;

insert into dim.dim_evt_csr_skill (month, skill_code, skill_name, category, items, agents, senior_agents)
select :period, skill.skill_code, skill.skill_name, skill.category, coalesce(known.items, 0),
       count(holder.agent_no), count(holder.agent_no) filter (where holder.grade >= 4)
from ods.csr_skill skill
left join (
  select category, count(*) as items
  from dim.dim_acc_item_code
  where month = :period and is_leaf and category is not null
  group by category
) known using (category)
left join ods.csr_agent_skill holder
  on holder.skill_code = skill.skill_code
 and holder.valid_from <= :last_day::date
 and (holder.valid_to is null or holder.valid_to >= :last_day::date)
group by skill.skill_code, skill.skill_name, skill.category, known.items;

analyze dim.dim_evt_csr_skill;

-- Rules also look at flows that failed for good (`on: cause`).
alter table rule_facts drop constraint rule_facts_kind_check,
  add constraint rule_facts_kind_check check (kind in ('redone', 'corrected', 'failed'));
alter table rule_acts drop constraint rule_acts_kind_check,
  add constraint rule_acts_kind_check check (kind in ('redone', 'corrected', 'failed'));

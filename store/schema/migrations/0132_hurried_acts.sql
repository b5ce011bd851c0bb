-- Whether a person has said that nothing more is to be waited for, and that the rule need not rest.
alter table rule_acts add column hurried boolean not null default false;

-- What is known of an attempt's output (docs/decisions/0019). Both null: it wrote nothing, or its agent did not say.

-- all bytes that it wrote, kept or not; told with its end
alter table attempts add column log_bytes bigint;
-- what its output is shown in, where that is not utf-8
alter table attempts add column encoding text;

-- declared by the agent for the programs that declare none; '' = utf-8
alter table agents add column encoding text not null default '';

-- How an agent keeps the processes of its shell programs together (protocol C5): cgroup, namespace, marks, group; null: it did not say.
alter table agents add column containment text;

-- A person decided that the attempt ends although processes of its program live on. Written by the exchange, told to the agent.
alter table leases add column force_end boolean not null default false;

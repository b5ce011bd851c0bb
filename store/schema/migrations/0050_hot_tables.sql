-- What is to stop is asked with every answer to an agent (C1), and is nearly always nothing.
create index leases_stopping on leases (agent) where stop;

-- Few rows live, tens of thousands die a minute: without this, counting an agent's leases read 1,500 blocks after 40,000 flows, now 20.
alter table leases set (autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_threshold = 500, autovacuum_analyze_scale_factor = 0);
alter table outbox set (autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_threshold = 500, autovacuum_analyze_scale_factor = 0);

-- How far the last exchange has read the log: up to there nobody has to be woken (A6).
alter table run_counters add column read_seq bigint not null default 0;
-- Since when the coordinator is about to continue as new and wants no signal (A7); null = it is not.
alter table run_counters add column leaving_ms bigint;

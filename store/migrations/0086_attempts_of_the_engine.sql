-- Attempts that no agent made (protocol A5): `sluice doctor` looks for them, and there are hardly ever any.
create index attempts_of_engine on attempts (run_id) where agent = 'engine';

-- How far a program had come that commits statement by statement, as its agent said last (heartbeats). Null: it says nothing of it.
alter table leases add column reached text;

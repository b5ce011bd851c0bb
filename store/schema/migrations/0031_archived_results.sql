-- What an edge to an archived run asks for (protocol A11): its flows that were done, and those of them that were tainted.
alter table archived_runs add column done text[] not null default '{}';
alter table archived_runs add column tainted text[] not null default '{}';

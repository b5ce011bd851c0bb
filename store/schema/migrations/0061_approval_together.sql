-- A request to several runs that needs a second person waits in all of them, and is approved or refused in all of them.

-- the operation that was answered; null: a request to one run, or one that needed nobody
alter table operations add column together text;
create index operations_together on operations (together) where together is not null;

-- Room is kept for expedited and key flows that need more than a plain slot (graph/run/room.ts): every claim reads the first of them.

/* True when a flow needs more than a plain slot: a pool, a label, a lock by name. Programs' own locks (`program:`) are not meant: every SQL program has one. */
create function needs_room(pools text[], labels text[], locks text[]) returns boolean language sql immutable parallel safe
  as $$ select pools <> '{}' or labels <> '{}' or exists (select 1 from unnest(locks) as l (key) where l.key like 'lock:%') $$;

create index outbox_first on outbox (expedite desc, latest_start_ms, key desc, released_ms, flow_id)
  where claimed_epoch is null and (expedite or key) and needs_room(pools, labels, locks);

-- Backfills and rehearsals wait after all that is scheduled (latest_start_ms = 9000000000000001, graph/compiled/latest-start.ts), and no room is kept for their key flows.

drop index outbox_first;
create index outbox_first on outbox (expedite desc, latest_start_ms, key desc, released_ms, flow_id)
  where claimed_epoch is null and (expedite or (key and latest_start_ms <= 9000000000000000)) and needs_room(pools, labels, locks);

/** Why no agent claims a flow that waits in the outbox: what a claim still lacks (protocol C8, C9). */
import { keptAgainst, keptRoom } from '../../graph/run/room.ts';
import type { Queryable } from '../schema/pool.ts';
import { readFirst, readPoolRooms, readRooms } from './claim-room.ts';

export interface ClaimBlocker {
  readonly code:
    | 'paused'
    | 'no_agent'
    | 'drained'
    | 'no_label'
    | 'no_slot'
    | 'pool_full'
    | 'locked'
    | 'room_kept';
  readonly detail: string;
}

/** All reasons; none when some agent may take the flow at its next claim. Mirrors the conditions of store/agents/claims.ts. */
export async function claimBlockers(
  client: Queryable,
  { run, flow }: { readonly run: string; readonly flow: string },
  leaseMs: number,
  workText: string | null,
): Promise<ClaimBlocker[]> {
  const found = await client.query<{
    platform: string;
    uses: string[];
    amounts: number[];
    keys: string[];
    pauses: { scope: string; actor: string; reason: string }[] | null;
    agents: { name: string; drained: boolean; fits: boolean; free: number }[] | null;
    pools: { name: string; size: number; used: number }[] | null;
    locks: { key: string; flow: string | null; run: string | null }[] | null;
  }>(
    `select o.platform, o.pools as uses, o.pool_amounts as amounts, o.locks as keys,
       (select json_agg(json_build_object('scope', p.scope, 'actor', p.actor, 'reason', p.reason)) from pauses p
         where p.to_ms is null and p.scope in ('platform:' || o.platform, 'run:' || o.run_id)) as pauses,
       (select json_agg(json_build_object('name', a.name, 'drained', a.drained, 'fits', o.labels <@ a.labels,
           'free', a.slots - (select count(*) from leases l where l.agent = a.name)))
         from agents a where a.platform = o.platform and a.seen_ms > clock_ms() - $3) as agents,
       (select json_agg(json_build_object('name', p.name, 'size', p.size, 'used', p.used)) from pools p
         join unnest(o.pools, o.pool_amounts) as x (name, n) on x.name = p.name where p.used + x.n > p.size) as pools,
       (select json_agg(json_build_object('key', k.key, 'flow', l.flow_id, 'run', l.run_id)) from locks k
         left join leases l on l.epoch = k.epoch where k.key = any(o.locks)) as locks
     from outbox o where o.run_id = $1 and o.flow_id = $2 and o.claimed_epoch is null`,
    [run, flow, leaseMs],
  );
  const row = found.rows[0];
  if (row === undefined) return [];
  const list: ClaimBlocker[] = [];
  for (const pause of row.pauses ?? [])
    list.push({ code: 'paused', detail: `${pause.scope} is paused by ${pause.actor}: ${pause.reason}` });
  const agents = row.agents ?? [];
  const fitting = agents.filter((agent) => agent.fits);
  const open = fitting.filter((agent) => !agent.drained);
  if (agents.length === 0)
    list.push({ code: 'no_agent', detail: `no agent of platform ${row.platform} is alive` });
  else if (fitting.length === 0)
    list.push({
      code: 'no_label',
      detail: `no agent of platform ${row.platform} has the labels of the flow`,
    });
  else if (open.length === 0)
    list.push({ code: 'drained', detail: `drained: ${fitting.map((agent) => agent.name).join(', ')}` });
  else if (open.every((agent) => agent.free <= 0))
    list.push({
      code: 'no_slot',
      detail: `all slots are taken on ${open.map((agent) => agent.name).join(', ')}`,
    });
  for (const pool of row.pools ?? [])
    list.push({ code: 'pool_full', detail: `pool ${pool.name}: ${pool.used} of ${pool.size} in use` });
  for (const lock of row.locks ?? [])
    list.push({
      code: 'locked',
      detail: `${lockName(lock.key, workText)} is held by ${lock.flow ?? '?'} of ${lock.run ?? '?'}`,
    });
  if (list.length === 0)
    list.push(...(await keptFor(client, { run, flow, asks: row, agents: open }, leaseMs)));
  return list;
}

/** What it would need is free, and kept for others (protocol C10). */
async function keptFor(
  client: Queryable,
  {
    run,
    flow,
    asks,
    agents,
  }: {
    readonly run: string;
    readonly flow: string;
    readonly asks: { readonly uses: string[]; readonly amounts: number[]; readonly keys: string[] };
    readonly agents: readonly { readonly name: string; readonly free: number }[];
  },
  leaseMs: number,
): Promise<ClaimBlocker[]> {
  const first = await readFirst(client);
  if (first.length === 0) return [];
  const rooms = await readRooms(client, first, leaseMs);
  const kept = keptRoom(first, {
    ...rooms,
    agents: rooms.agents.map((agent) => ({ ...agent, takes: agent.free })),
  });
  const { uses, amounts, keys } = asks;
  const pools = await readPoolRooms(client, uses);
  return keptAgainst({ run, flow, pools: uses, amounts, locks: keys }, kept, pools, agents).map(
    ({ by, reason }): ClaimBlocker => ({
      code: 'room_kept',
      detail: `room is kept for ${by.flow} of ${by.run}: ${reason}`,
    }),
  );
}

/** What the flow's running program waits for outside the engine, as its agent says; at most one. */
export async function programWaits(
  client: Queryable,
  run: string,
  flow: string,
): Promise<{ code: 'fence_held_elsewhere' | 'processes_survive'; detail: string }[]> {
  const found = await client.query<{ code: 'fence_held_elsewhere' | 'processes_survive'; by: string }>(
    'select waits_code as code, waits_by as by from leases where run_id = $1 and flow_id = $2 and waits_code is not null',
    [run, flow],
  );
  return found.rows.map(({ code, by }) => ({
    code,
    detail:
      code === 'processes_survive'
        ? `these processes of its program cannot be ended: ${by}`
        : `the fence of its work is held by ${by}`,
  }));
}

/** A work by its name instead of its key. */
const lockName = (key: string, workText: string | null): string =>
  key.startsWith('work:') ? (workText ?? key) : key;

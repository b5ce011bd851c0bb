/** Agents as people see and steer them (protocol C8); their own calls are in store/agents/agents.ts. */
import type { Queryable } from '../schema/pool.ts';

export interface AgentRow {
  readonly name: string;
  readonly platform: string;
  readonly labels: string[];
  readonly slots: number;
  readonly used: number;
  readonly alive: boolean;
  readonly drained: boolean;
  readonly failoverTo: string | null;
  readonly version: string;
  /** What is wrong with its machine, in its own words; '' = nothing. */
  readonly trouble: string;
  readonly containment: string | null;
  readonly helloAt: number;
  readonly seenAt: number;
  readonly fences: FenceOfRecord[];
}

/** Works of one record on one database, as the agent last saw them. */
interface FenceOfRecord {
  readonly connection: string;
  readonly record: string;
  readonly works: number;
  readonly newest: number;
  readonly own: boolean;
  readonly known: boolean;
}

/** By name; `alive`: heard of within the lease time. */
export async function listAgents(
  client: Queryable,
  leaseMs: number,
  name: string | null = null,
): Promise<AgentRow[]> {
  const found = await client.query<AgentRow>(
    `select a.name, a.platform, a.labels, a.slots, (select count(*)::int from leases l where l.agent = a.name) as used,
       a.seen_ms > clock_ms() - $1::bigint as alive, a.drained, a.failover_to as "failoverTo", a.version, a.trouble, a.containment, a.hello_ms as "helloAt",
       a.seen_ms as "seenAt", coalesce((
         select json_agg(json_build_object('connection', f->>'connection', 'record', r->>'record', 'works', (r->>'works')::int,
           'newest', (r->>'newest')::bigint, 'own', r->>'record' = i.id,
           'known', exists (select 1 from attempts t where t.epoch = (r->>'newest')::bigint)
             or (r->>'record' = i.id and exists (select 1 from archived_runs))) order by f->>'connection', r->>'record')
         from record_identity i, json_array_elements(a.fences) f, json_array_elements(f->'records') r), '[]') as fences
     from agents a where $2::text is null or a.name = $2 order by a.name`,
    [leaseMs, name],
  );
  return found.rows;
}

/** Platforms and labels of all agents that ever said hello, each pair once. */
export async function labelsOfAgents(client: Queryable): Promise<{ platform: string; labels: string[] }[]> {
  const found = await client.query<{ platform: string; labels: string[] }>(
    'select distinct platform, labels from agents',
  );
  return found.rows;
}

/** No new claims, also after a restart of the agent; or claims again, which ends a failover, too. */
export async function setDrained(
  client: Queryable,
  agent: string,
  drained: boolean,
  failoverTo: string | null = null,
): Promise<void> {
  await client.query('update agents set drained = $2, failover_to = $3 where name = $1', [
    agent,
    drained,
    failoverTo,
  ]);
  await client.query(
    "select pg_notify('sluice_outbox', platform) from agents where name = coalesce($1, $2)",
    [failoverTo, agent],
  );
}

export async function epochsOf(client: Queryable, agent: string): Promise<number[]> {
  const found = await client.query<{ epoch: number }>('select epoch from leases where agent = $1', [agent]);
  return found.rows.map((row) => row.epoch);
}

export interface PlatformRow {
  readonly platform: string;
  readonly agents: number;
  readonly slots: number;
  readonly used: number;
  readonly waiting: number;
  readonly pause: { readonly by: string; readonly reason: string; readonly since: number } | null;
}

/** Numbers of the given platforms and of every platform that an agent has, by name. */
export async function listPlatforms(
  client: Queryable,
  leaseMs: number,
  names: readonly string[],
): Promise<PlatformRow[]> {
  const found = await client.query<PlatformRow>(
    `select p.platform, count(a.name)::int as agents, coalesce(sum(a.slots), 0)::int as slots,
       (select count(*)::int from leases l where l.platform = p.platform) as used,
       (select count(*)::int from outbox o where o.platform = p.platform and o.claimed_epoch is null) as waiting,
       (select json_build_object('by', x.actor, 'reason', x.reason, 'since', x.from_ms) from pauses x
         where x.scope = 'platform:' || p.platform and x.to_ms is null limit 1) as pause
     from (select unnest($2::text[]) as platform union select platform from agents) p
     left join agents a on a.platform = p.platform and a.seen_ms > clock_ms() - $1::bigint
     group by p.platform order by p.platform`,
    [leaseMs, names],
  );
  return found.rows;
}

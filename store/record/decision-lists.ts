/** What people decided and asked for, for lists. Reading only. */
import type { Queryable } from '../schema/pool.ts';

export interface HeldAttempt {
  readonly agent: string;
  readonly run: string;
  readonly flow: string;
  readonly sentAt: number;
  readonly startedAt: number | null;
}

/** Open leases of an agent, or of all (null). */
export async function heldBy(client: Queryable, agent: string | null): Promise<HeldAttempt[]> {
  const found = await client.query<HeldAttempt>({
    name: 'held-by',
    text: `select agent, run_id as run, flow_id as flow, sent_ms as "sentAt", started_ms as "startedAt" from leases
      where $1::text is null or agent = $1 order by agent, epoch`,
    values: [agent],
  });
  return found.rows;
}

export interface Decision {
  readonly at: number;
  readonly actor: string;
  readonly verb: string;
  readonly run: string;
  readonly flows: string[];
  readonly reason: string;
  readonly evidence: string | null;
  readonly approvedBy: string | null;
}

/** Flows of an operation: those named, and the targets of named edges. */
const FLOWS = `array(select json_array_elements_text(coalesce(o.body -> 'flows', '[]'::json)))
  || array(select e ->> 'to' from json_array_elements(coalesce(o.body -> 'edges', '[]'::json)) e)`;

/** Applied operations of the runs, the newest first. */
export async function decisionsInRuns(
  client: Queryable,
  runs: readonly string[],
  verb: string | null,
): Promise<Decision[]> {
  const found = await client.query<Decision>({
    name: 'decisions-in-runs',
    text: `select o.decided_ms as at, o.actor, o.verb, o.run_id as run, ${FLOWS} as flows, coalesce(o.body ->> 'reason', '') as reason,
        o.body ->> 'evidence' as evidence, o.approved_by as "approvedBy"
      from operations o where o.run_id = any($1::text[]) and o.state = 'applied' and ($2::text is null or o.verb = $2)
      order by o.decided_ms desc, o.id desc`,
    values: [runs, verb],
  });
  return found.rows;
}

export interface AdHocRequest {
  readonly at: number;
  readonly requester: string;
  readonly kind: string;
  /** A run, or of a backfill its range. */
  readonly run: string;
  readonly flows: string[];
  readonly reason: string;
  readonly state: string;
  readonly done: number | null;
  readonly total: number | null;
}

/** Backfills, and operations that start something outside the schedules, of the last `days` days, the newest first. */
export async function adHocRequests(client: Queryable, days: number): Promise<AdHocRequest[]> {
  const found = await client.query<AdHocRequest>({
    name: 'ad-hoc-requests',
    text: `select * from (
        select o.requested_ms as at, o.actor as requester, o.verb as kind, o.run_id as run, ${FLOWS} as flows,
          coalesce(o.body ->> 'reason', '') as reason, o.state,
          (select count(*)::int from run_flows f where f.run_id = o.run_id and f.flow_id = any(${FLOWS})
            and f.result in ('succeeded', 'force_passed', 'skipped')) as done, cardinality(${FLOWS}) as total
        from operations o where o.requested_ms > clock_ms() - $1::bigint * 86400000 and o.verb in ('rerun', 'trigger', 'start-now')
        union all
        select b.opened_ms, b.actor, 'backfill', b.cycle || ' ' || b.from_period || '..' || b.to_period, coalesce(b.roots, b.flows, '{}'),
          b.reason, b.state,
          (select count(*)::int from backfill_runs x join runs r on r.id = x.run_id where x.backfill_id = b.id and r.finished_ms is not null),
          (select count(*)::int from backfill_runs x where x.backfill_id = b.id)
        from backfills b where b.opened_ms > clock_ms() - $1::bigint * 86400000
      ) x order by at desc, run`,
    values: [days],
  });
  return found.rows;
}

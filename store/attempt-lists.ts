/** Attempts of many flows, for lists. Reading only. */
import type { Queryable } from './pool.ts';

export interface ListedAttempt {
  readonly run: string;
  readonly flow: string;
  readonly epoch: number;
  readonly generation: number;
  readonly attempt: number;
  readonly agent: string;
  readonly sentAt: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  readonly outcome: string | null;
  readonly failure: string | null;
  readonly message: string | null;
  readonly rows: number | null;
}

const COLUMNS = `a.run_id as run, a.flow_id as flow, a.epoch, a.generation, a.attempt, a.agent, a.sent_ms as "sentAt",
  a.started_ms as "startedAt", a.ended_ms as "endedAt", a.outcome, a.failure_kind as failure, a.message, a.rows`;

/** The latest attempt of each of the flows, by flow. */
export async function lastAttempts(
  client: Queryable,
  run: string,
  flows: readonly string[],
): Promise<Map<string, ListedAttempt>> {
  if (flows.length === 0) return new Map();
  const found = await client.query<ListedAttempt>({
    name: 'last-attempts-of',
    text: `select distinct on (a.flow_id) ${COLUMNS} from attempts a where a.run_id = $1 and a.flow_id = any($2::text[])
      order by a.flow_id, a.epoch desc`,
    values: [run, flows],
  });
  return new Map(found.rows.map((row) => [row.flow, row]));
}

/** Attempts of the runs that ended without success, the newest first; a claim that was given back is none. */
export async function failedAttempts(client: Queryable, runs: readonly string[]): Promise<ListedAttempt[]> {
  const found = await client.query<ListedAttempt>({
    name: 'failed-attempts',
    text: `select ${COLUMNS} from attempts a where a.run_id = any($1::text[]) and a.outcome in ('failed', 'lost')
      order by a.ended_ms desc, a.epoch desc`,
    values: [runs],
  });
  return found.rows;
}

export interface Handling {
  readonly run: string;
  readonly flow: string;
  readonly actor: string;
  readonly verb: string;
  readonly at: number;
}

/** What people decided about flows of the runs, the oldest first. */
export async function decisionsAbout(client: Queryable, runs: readonly string[]): Promise<Handling[]> {
  const found = await client.query<Handling>({
    name: 'decisions-about',
    text: `select o.run_id as run, t.flow, o.actor, o.verb, o.decided_ms as at from operations o
      cross join lateral json_array_elements_text(coalesce(o.body -> 'flows', '[]'::json)) as t (flow)
      where o.run_id = any($1::text[]) and o.state = 'applied' order by o.decided_ms, o.id`,
    values: [runs],
  });
  return found.rows;
}

/** Rerun plans as they were shown, with what they rest on (protocol E3). */
import { SluiceError } from '../../errors.ts';
import type { RerunPlan } from '../../graph/run/decisions.ts';
import type { Queryable } from '../schema/pool.ts';

export interface StoredPlan<Shown> {
  readonly id: string;
  readonly run: string;
  readonly actor: string;
  /** What people saw. */
  readonly shown: Shown;
  /** What `decide` gets. */
  readonly plan: RerunPlan;
  /** When other runs take part: what each of them gets, this one first. */
  readonly together: readonly { readonly run: string; readonly plan: RerunPlan }[];
  readonly hash: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly expired: boolean;
  readonly appliedBy: string | null;
}

export async function savePlan(
  client: Queryable,
  given: {
    id: string;
    run: string;
    actor: string;
    shown: unknown;
    plan: RerunPlan;
    together: StoredPlan<unknown>['together'];
    hash: string;
    ttlMs: number;
  },
): Promise<{ createdAt: number; expiresAt: number }> {
  const saved = await client.query<{ createdAt: number; expiresAt: number }>(
    `insert into rerun_plans (id, run_id, actor, body, hash, created_ms, expires_ms)
     select $1, $2, $3, $4, $5, now_ms, now_ms + $6 from (select clock_ms() as now_ms) x
     returning created_ms as "createdAt", expires_ms as "expiresAt"`,
    [
      given.id,
      given.run,
      given.actor,
      JSON.stringify({ shown: given.shown, plan: given.plan, together: given.together }),
      given.hash,
      given.ttlMs,
    ],
  );
  return saved.rows[0]!;
}

/** Throws `unknown_plan`. */
export async function readPlan<Shown>(
  client: Queryable,
  run: string,
  id: string,
): Promise<StoredPlan<Shown>> {
  const found = await client.query<
    Omit<StoredPlan<Shown>, 'shown' | 'plan' | 'together'> & {
      body: Pick<StoredPlan<Shown>, 'shown' | 'plan' | 'together'>;
    }
  >(
    `select id, run_id as run, actor, body, hash, created_ms as "createdAt", expires_ms as "expiresAt", expires_ms < clock_ms() as expired,
       applied_by as "appliedBy" from rerun_plans where run_id = $1 and id = $2`,
    [run, id],
  );
  const row = found.rows[0];
  if (row === undefined)
    throw new SluiceError('unknown_plan', `the run ${run} has no rerun plan ${id}`, {
      facts: { run, plan: id },
    });
  const { body, ...rest } = row;
  return { ...rest, ...body };
}

export async function markApplied(client: Queryable, id: string, actor: string): Promise<void> {
  await client.query('update rerun_plans set applied_by = $2 where id = $1 and applied_by is null', [
    id,
    actor,
  ]);
}

/** Running flows of other runs that hold one of the keys: the same program and period. */
export async function holdersOf(
  client: Queryable,
  run: string,
  locks: readonly string[],
): Promise<{ flow: string; run: string; since: number | null; keys: string[] }[]> {
  const found = await client.query<{ flow: string; run: string; since: number | null; keys: string[] }>(
    `select l.flow_id as flow, l.run_id as run, l.started_ms as since, array_agg(k.key order by k.key) as keys from locks k join leases l on l.epoch = k.epoch
     where k.key = any($2::text[]) and l.run_id <> $1 group by 1, 2, 3 order by 2, 1`,
    [run, locks],
  );
  return found.rows;
}

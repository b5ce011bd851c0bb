/** A run moves to another catalogue version (protocol D8), in one transaction: its rows mapped by flow id. graph/run/adopt.ts says how. */
import type pg from 'pg';
import { SluiceError } from '../../errors.ts';
import { resolveMoment } from '../../graph/calendar/moment.ts';
import { type Adoption, adopt, type Target } from '../../graph/run/adopt.ts';
import { type Beside, besides, resolveForeign } from '../../graph/run/foreign-runs.ts';
import { restoreState } from '../../graph/run/restore.ts';
import { FLAG } from '../../graph/run/state.ts';
import { PHASES } from '../../graph/run/status.ts';
import type { CatalogueVersion } from '../catalogue/catalogue.ts';
import { calendarsOf } from '../catalogue/catalogue.ts';
import { notRehearsed, refuseGaps } from '../catalogue/rehearsals.ts';
import { keyReused, writeApplied } from '../operations/operation-rows.ts';
import type { RunContext } from '../record/run-context.ts';
import { appendLog, rowOfRun } from '../record/run-log.ts';
import { readStored } from '../record/run-state.ts';
import { lockForSubscribing, subscribe } from '../record/subscriptions.ts';
import { notify } from '../schema/notify.ts';
import { inTransaction, type Queryable } from '../schema/pool.ts';
import { flowsOfBackfill, runsBeside } from './beside.ts';

export interface AdoptRequest {
  readonly actor: string;
  readonly roles: readonly string[];
  /** Unique per actor; the same key again is owed the first answer (protocol B1). */
  readonly key: string;
  readonly bodyHash: string;
  readonly reason: string;
}

/** What an answer says of an adoption. */
export type AdoptionAnswer = Omit<Adoption, 'state'>;

/** The answer that was given under the key, null when it is new. Throws `idempotency_key_reused`. */
export async function answeredBefore(
  client: Queryable,
  { actor, key, bodyHash }: Pick<AdoptRequest, 'actor' | 'key' | 'bodyHash'>,
): Promise<{ from: number; version: number; answer: AdoptionAnswer } | null> {
  const found = await client.query<{
    hash: string;
    adopted: { from: number; version: number; answer: AdoptionAnswer } | null;
  }>(
    `select body_hash as hash, outcome->'adopted' as adopted from operations where actor = $1 and idempotency_key = $2`,
    [actor, key],
  );
  const row = found.rows[0];
  if (row === undefined) return null;
  if (row.hash !== bodyHash || row.adopted === null) throw keyReused(key);
  return row.adopted;
}

/** The coordinator has not read an operation yet, which was requested for the present version. */
class NotAtRest extends Error {}
/** Longest wait for the coordinator, ms. */
const PATIENCE_MS = 9_000;
/** Rest between two tries, ms. */
const AGAIN_MS = 25;

interface Fixed {
  readonly target: Target;
  readonly deadlines: Float64Array;
}

/** What adopting the version would change now, and the deadlines that the run would have, by vertex of the version. Writes nothing. O(V + E). */
export async function previewAdoption(
  pool: pg.Pool,
  context: RunContext,
  version: CatalogueVersion,
  graceMs: number,
): Promise<Adoption & Pick<Fixed, 'deadlines'>> {
  return inTransaction(
    pool,
    async (client) => {
      const before = restoreState(context.graph, await readStored(client, context, graceMs));
      const { target, deadlines } = await readFixed(client, context, version);
      return { ...adopt(context.graph, before, target), deadlines };
    },
    { begin: 'begin isolation level repeatable read read only', guarded: false },
  );
}

/**
 * Moves the run. Throws `adopt_removes_started`, `run_closed`, `run_frozen`, and `adopt_stale` when the run moved meanwhile or an
 * operation stays unread. The coordinator finds its next exchange taken, and loads the run again (protocol A9).
 */
export async function adoptVersion(
  pool: pg.Pool,
  context: RunContext,
  version: CatalogueVersion,
  given: { readonly graceMs: number; readonly request: AdoptRequest },
): Promise<Adoption> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await inTransaction(pool, (client) => move(client, context, version, given), {
        retryForMs: PATIENCE_MS,
      });
    } catch (error) {
      if (!(error instanceof NotAtRest)) throw error;
      if (performance.now() > until)
        throw stale(context.run.id, 'its coordinator has not carried out an operation yet');
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

const stale = (run: string, why: string): SluiceError =>
  new SluiceError('adopt_stale', `${run} cannot move now: ${why}`, { facts: { run } });

async function move(
  client: Queryable,
  context: RunContext,
  version: CatalogueVersion,
  { graceMs, request }: { readonly graceMs: number; readonly request: AdoptRequest },
): Promise<Adoption> {
  const { run } = context;
  const fixed = await readFixed(client, context, version);
  const { graph, subscriptions } = fixed.target;
  await lockForSubscribing(client, run.id, subscriptions);
  await verify(client, context);
  await client.query('select 1 from outbox where run_id = $1 order by flow_id for update', [run.id]);
  const before = restoreState(context.graph, await readStored(client, context, graceMs));
  const adoption = adopt(context.graph, before, fixed.target);
  if (adoption.started.length > 0)
    throw new SluiceError(
      'adopt_removes_started',
      `the version would remove flows that have started: ${adoption.started.slice(0, 10).join(', ')}`,
      {
        facts: { run: run.id, version: version.version, flows: adoption.started },
      },
    );
  await client.query('update runs set catalogue_version = $2 where id = $1', [run.id, version.version]);
  // Takes an exchange number and stores nothing under it: a coordinator that has decided by the old version loads the run again (protocol A5, A9).
  await client.query('update run_counters set version = $2, exchange = exchange + 1 where run_id = $1', [
    run.id,
    version.version,
  ]);
  await writeRows(client, context, fixed, adoption);
  await forgetSubscriptions(client, context, fixed.target);
  await subscribe(client, run.id, graph.ids, subscriptions);
  const operation = await writeOperation(client, context, request, {
    version: version.version,
    adoption,
  });
  // A row about no flow, which makes the deliverer wake the coordinator.
  await appendLog(client, run.id, [rowOfRun('external', { type: 'effect' }, operation)]);
  await notify(client, 'sluice_run', run.id);
  return adoption;
}

async function verify(client: Queryable, { run }: RunContext): Promise<void> {
  const found = await client.query<{
    version: number;
    state: string;
    frozen: string | null;
    unread: boolean;
  }>(
    `select c.version, r.state, r.frozen, exists (
       select 1 from run_log l where l.run_id = c.run_id and l.seq > c.cursor and l.kind = 'operation') as unread
     from run_counters c join runs r on r.id = c.run_id where c.run_id = $1`,
    [run.id],
  );
  const { version, state, frozen, unread } = found.rows[0]!;
  if (state === 'closed')
    throw new SluiceError('run_closed', `${run.id} is closed`, { facts: { run: run.id } });
  if (frozen !== null)
    throw new SluiceError('run_frozen', `${run.id}: ${frozen}`, { facts: { run: run.id } });
  if (version !== run.catalogueVersion) throw stale(run.id, `it moved to version ${version} meanwhile`);
  if (unread) throw new NotAtRest();
}

/** Runs that this one's edges mean instead of scheduled ones: what it subscribed to at its opening. */
async function besideOf(client: Queryable, { run }: RunContext): Promise<Beside[]> {
  if (run.purpose === 'scheduled') return [];
  const backfill = await runsBeside(client, run.id);
  if (backfill.length > 0) return backfill;
  const found = await client.query<{ id: string }>(
    'select distinct upstream_run as id from subscriptions where run_id = $1 order by 1',
    [run.id],
  );
  return found.rows.map(({ id }) => ({ run: id, flows: null }));
}

/** What the opening of the run would fix from the other version. */
async function readFixed(client: Queryable, context: RunContext, version: CatalogueVersion): Promise<Fixed> {
  const { purpose, cycle, procedures } = context.run;
  if (purpose === 'rehearsal') refuseGaps(version, cycle, procedures);
  return fixedOf(
    context,
    version,
    await besideOf(client, context),
    await flowsOfBackfill(client, context.run.id),
  );
}

function fixedOf(
  { run }: RunContext,
  version: CatalogueVersion,
  beside: readonly Beside[],
  flows: readonly string[] | null,
): Fixed {
  const { cycle, period, openedAt, procedures } = run;
  const { graph } = version.graphOf(cycle);
  const calendarOf = calendarsOf(version);
  const starts = new Float64Array(graph.n);
  const deadlines = new Float64Array(graph.n);
  for (let v = 0; v < graph.n; v++) {
    const { startAt, deadline, calendar } = graph.attrOf(v);
    const at = (moment: string): number =>
      resolveMoment(moment, { cycle, period, calendar: calendarOf(calendar), openedAtMs: openedAt });
    if (startAt !== null) starts[v] = at(startAt);
    if (deadline !== null) deadlines[v] = at(deadline);
  }
  const wanted = procedures === null ? null : new Set(procedures);
  const included = flows === null ? undefined : new Set(flows);
  const isExcluded = (v: number): boolean => {
    const { procedure } = graph.attrOf(v);
    if (included?.has(graph.ids[v]!) === false) return true;
    return wanted !== null && (procedure === null || !wanted.has(procedure));
  };
  const leftOut = run.purpose === 'rehearsal' ? notRehearsed(version, cycle) : new Set<string>();
  const flagsOf = (v: number): number =>
    (isExcluded(v) ? FLAG.EXCLUDED : 0) | (leftOut.has(graph.ids[v]!) ? FLAG.SKIP | FLAG.NOT_REHEARSED : 0);
  const subscriptions = resolveForeign(graph, { cycle, period, beside: besides(beside) });
  return { target: { graph, subscriptions, starts, flagsOf }, deadlines };
}

async function writeRows(
  client: Queryable,
  { run }: RunContext,
  { target: { graph }, deadlines }: Fixed,
  { state: s, removed, lapsed }: Adoption,
): Promise<void> {
  await client.query('delete from outbox where run_id = $1 and claimed_epoch is null', [run.id]);
  await client.query('delete from run_flows where run_id = $1 and flow_id = any($2::text[])', [
    run.id,
    removed,
  ]);
  await client.query(
    `insert into run_flows as f (run_id, flow_id, phase, flags, released_ms, start_ms, deadline_ms, generation_ms)
     select $1, x.flow_id, x.phase, x.flags, nullif(x.released_ms, 0), x.start_ms, x.deadline_ms, clock_ms()
     from unnest($2::text[], $3::text[], $4::int[], $5::bigint[], $6::bigint[], $7::bigint[])
       as x (flow_id, phase, flags, released_ms, start_ms, deadline_ms)
     on conflict (run_id, flow_id) do update set phase = excluded.phase, flags = excluded.flags,
       released_ms = excluded.released_ms, start_ms = excluded.start_ms, deadline_ms = excluded.deadline_ms
     where (f.phase, f.flags, f.released_ms, f.start_ms, f.deadline_ms)
       is distinct from (excluded.phase, excluded.flags, excluded.released_ms, excluded.start_ms, excluded.deadline_ms)`,
    [
      run.id,
      graph.ids,
      [...s.phase].map((phase) => PHASES[phase]),
      [...s.flags],
      [...s.released],
      [...s.start],
      [...deadlines],
    ],
  );
  await client.query(
    `update overrides o set ended_ms = clock_ms(), ended_by = 'adopt'
     from unnest($2::text[], $3::text[], $4::text[]) as x (flow_id, edge_from, edge_run)
     where o.run_id = $1 and o.flow_id = x.flow_id and o.kind = 'waive' and o.ended_ms is null
       and o.edge_from = x.edge_from and o.edge_run is not distinct from x.edge_run`,
    [
      run.id,
      lapsed.map((entry) => entry.to),
      lapsed.map((entry) => entry.from),
      lapsed.map((entry) => entry.run),
    ],
  );
}

async function forgetSubscriptions(client: Queryable, { run }: RunContext, target: Target): Promise<void> {
  const { subscriptions, graph } = target;
  await client.query(
    `delete from subscriptions s where run_id = $1 and not exists (
       select 1 from unnest($2::text[], $3::text[], $4::text[]) as x (flow_id, upstream_run, upstream_flow)
       where x.flow_id = s.flow_id and x.upstream_run = s.upstream_run and x.upstream_flow = s.upstream_flow)`,
    [
      run.id,
      subscriptions.map((subscription) => graph.ids[subscription.v]),
      subscriptions.map((subscription) => subscription.run),
      subscriptions.map((subscription) => subscription.from),
    ],
  );
}

/** The adoption is applied when this is written. */
async function writeOperation(
  client: Queryable,
  { run }: RunContext,
  request: AdoptRequest,
  done: { readonly version: number; readonly adoption: Adoption },
): Promise<string> {
  const { state: _, ...answer } = done.adoption;
  const { added, removed, newBlockers } = answer;
  const { actor, roles, key, bodyHash, reason } = request;
  const adopted = { version: done.version, from: run.catalogueVersion };
  return writeApplied(client, {
    run: run.id,
    actor: { name: actor, roles },
    verb: 'adopt',
    key,
    bodyHash,
    reason,
    facts: { adopted },
    answer: { adopted: { ...adopted, answer } },
    detail: { ...adopted, added, removed, newBlockers: newBlockers.length },
  });
}

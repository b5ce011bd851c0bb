/** The opening of a run under an idempotency key: repeated, it answers the run that was opened. */

import type { OpenRun } from '../../contract/runs.ts';
import { SluiceError, unknown } from '../../errors.ts';
import type { Actor } from '../../store/operations/actors.ts';
import { writeAudit } from '../../store/operations/audit.ts';
import { newId } from '../../store/operations/operations.ts';
import { openRun } from '../../store/schedules/open-run.ts';
import type { Queryable } from '../../store/schema/pool.ts';
import { requireConfirmed } from '../catalogue/far-period.ts';
import type { ApiDeps } from '../deps.ts';
import { near } from '../near.ts';
import { bodyHash } from './body-hash.ts';

/** Openings under way in this process, by actor and key. */
const underWay = new Map<string, { hash: string; opening: Promise<string> }>();

/** What belongs to the same transaction as the opening. */
type Also = (client: Queryable, run: string) => Promise<void>;

/** Opens the run and answers its id. Throws what `openRun` throws, and `idempotency_key_reused`. */
export async function openOnce(
  deps: ApiDeps,
  actor: Actor,
  asked: OpenRun,
  key: string | undefined,
  also: Also = async () => {},
): Promise<string> {
  const hash = bodyHash({ verb: 'open', asked });
  if (key === undefined) return open(deps, actor, asked, hash, newId('own'), also);
  const place = JSON.stringify([actor.name, key]);
  const other = underWay.get(place);
  if (other !== undefined) {
    if (other.hash !== hash) throw reused(key);
    return other.opening;
  }
  const opening = (async () => {
    const known = await deps.pool.query<{ run_id: string; body_hash: string }>(
      'select run_id, body_hash from operations where actor = $1 and idempotency_key = $2',
      [actor.name, key],
    );
    const before = known.rows[0];
    if (before === undefined) return open(deps, actor, asked, hash, key, also);
    if (before.body_hash !== hash) throw reused(key);
    return before.run_id;
  })().finally(() => underWay.delete(place));
  underWay.set(place, { hash, opening });
  return opening;
}

async function open(
  deps: ApiDeps,
  actor: Actor,
  asked: OpenRun,
  hash: string,
  key: string,
  also: Also,
): Promise<string> {
  await requireConfirmed(deps, asked);
  const request = {
    cycle: asked.cycle,
    period: asked.period,
    purpose: asked.purpose,
    procedures: asked.procedures ?? null,
  };
  // One transaction: a key that is known has its run, and a run that was opened has its key.
  const run = await openRun(deps.pool, deps.versionOf, request, actor.name, async (client, id) => {
    const operation = newId('op');
    await client.query(
      `insert into operations (id, run_id, actor, idempotency_key, verb, body, body_hash, state, outcome, requested_ms, decided_ms)
       values ($1, $2, $3, $4, 'open', $5, $6, 'applied', $7, clock_ms(), clock_ms())`,
      [
        operation,
        id,
        actor.name,
        key,
        JSON.stringify({ ...NOTHING_ELSE, roles: actor.roles, opened: request }),
        hash,
        JSON.stringify({ code: null, detail: null, flows: [] }),
      ],
    );
    await writeAudit(client, {
      actor: actor.name,
      verb: 'open',
      run: id,
      operation,
      outcome: 'applied',
      detail: request,
    });
    await also(client, id);
  }).catch(async (error) => {
    throw await withNearProcedures(deps, asked, error);
  });
  return run.id;
}

/** What an operation's body has besides, so that every operation is shown alike. */
const NOTHING_ELSE = {
  verb: 'open',
  flows: [],
  edges: [],
  reason: '',
  evidence: null,
  partial: false,
  supersede: false,
  ran: null,
  plan: null,
};

const reused = (key: string): SluiceError =>
  new SluiceError('idempotency_key_reused', `the key '${key}' belongs to another request`, {
    facts: { key },
  });

async function withNearProcedures(deps: ApiDeps, asked: OpenRun, error: unknown): Promise<unknown> {
  if (!(error instanceof SluiceError) || error.code !== 'unknown_procedure') return error;
  const newest = await deps.pool.query<{ version: number }>(
    'select max(version) as version from catalogue_versions',
  );
  const { frame } = await deps.versionOf(newest.rows[0]!.version);
  const ids = frame.procedures.map((procedure) => procedure.id);
  const missing = (asked.procedures ?? []).filter((procedure) => !ids.includes(procedure));
  return unknown(
    'unknown_procedure',
    error.message,
    { procedures: missing },
    missing.flatMap((procedure) => near(procedure, ids)),
  );
}

/** Opens a run under an idempotency key: the same request, repeated, answers the run that was opened. */

import type { OpenRun } from '../../contract/runs.ts';
import { SluiceError, unknown } from '../../errors.ts';
import { newestVersion } from '../../store/catalogue/catalogue.ts';
import type { Actor } from '../../store/operations/actors.ts';
import { keyReused, newId, operationUnderKey, writeApplied } from '../../store/operations/operation-rows.ts';
import { openRun } from '../../store/schedules/open-run.ts';
import type { Queryable } from '../../store/schema/pool.ts';
import { requireConfirmed } from '../catalogue/far-period.ts';
import type { ServiceDeps } from '../deps.ts';
import { suggestNames } from '../suggest-names.ts';
import { bodyHash } from './body-hash.ts';

interface Opening {
  readonly asked: OpenRun;
  /** Idempotency key; undefined: no other request has the same. */
  readonly key: string | undefined;
  /** Written in the same transaction as the run. */
  readonly also?: (client: Queryable, run: string) => Promise<void>;
}

/** Opens the run and answers its id. Throws what `openRun` throws, and `idempotency_key_reused`. */
export async function openOnce(deps: ServiceDeps, actor: Actor, opening: Opening): Promise<string> {
  const { asked, key } = opening;
  const hash = bodyHash({ verb: 'open', asked });
  if (key === undefined) return open(deps, actor, { ...opening, key: newId('own') }, hash);
  return deps.openings.join(actor.name, key, hash, async () => {
    const before = await operationUnderKey(deps.pool, actor.name, key);
    if (before === null) return open(deps, actor, { ...opening, key }, hash);
    if (before.bodyHash !== hash) throw keyReused(key);
    return before.run;
  });
}

async function open(
  deps: ServiceDeps,
  actor: Actor,
  { asked, key, also }: Opening & { readonly key: string },
  hash: string,
): Promise<string> {
  await requireConfirmed(deps, asked);
  const request = {
    cycle: asked.cycle,
    period: asked.period,
    purpose: asked.purpose,
    procedures: asked.procedures ?? null,
  };
  // In one transaction, so that a known key always has its run and an opened run its key.
  const run = await openRun(deps, request, actor.name, async (client, id) => {
    await writeApplied(client, {
      run: id,
      actor,
      verb: 'open',
      key,
      bodyHash: hash,
      facts: { opened: request },
      detail: request,
    });
    await also?.(client, id);
  }).catch(async (error) => {
    throw await withNearProcedures(deps, asked, error);
  });
  return run.id;
}

async function withNearProcedures(deps: ServiceDeps, asked: OpenRun, error: unknown): Promise<unknown> {
  if (!(error instanceof SluiceError) || error.code !== 'unknown_procedure') return error;
  const { frame } = await deps.versionOf((await newestVersion(deps.pool))!);
  const ids = frame.procedures.map((procedure) => procedure.id);
  const missing = (asked.procedures ?? []).filter((procedure) => !ids.includes(procedure));
  return unknown(
    'unknown_procedure',
    error.message,
    { procedures: missing },
    missing.flatMap((procedure) => suggestNames(procedure, ids)),
  );
}

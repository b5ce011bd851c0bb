/** A run moves to another catalogue version (protocol D8). */

import { Adopted, AdoptRun } from '../../contract/adopt.ts';
import { KeyHeader } from '../../contract/operations.ts';
import { RunParams } from '../../contract/runs.ts';
import { SluiceError } from '../../errors.ts';
import type { ServiceDeps } from '../../services/deps.ts';
import { authorise } from '../../services/operations/actor-scope.ts';
import { bodyHash } from '../../services/operations/body-hash.ts';
import { keyOf } from '../../services/operations/request-operation.ts';
import { openContext } from '../../services/runs/find.ts';
import { newestVersion } from '../../store/catalogue/catalogue.ts';
import {
  type AdoptionAnswer,
  adoptVersion,
  answeredBefore,
  previewAdoption,
} from '../../store/schedules/adopt.ts';
import type { Api } from '../instance.ts';

export function adoptRoutes(app: Api, deps: ServiceDeps): void {
  app.route({
    method: 'POST',
    url: '/runs/:run/adopt',
    config: { permission: 'maintain', verb: 'adopt' },
    schema: {
      tags: ['runs'],
      params: RunParams,
      headers: KeyHeader,
      body: AdoptRun,
      response: { 200: Adopted },
    },
    handler: async (request) => {
      const actor = request.actor!;
      const { dryRun } = request.body;
      const reason = request.body.reason.trim();
      deps.contextOf.forget(request.params.run);
      const context = await openContext(deps, request.params.run);
      const run = context.run.id;
      if (!dryRun && reason === '')
        throw new SluiceError('reason_required', 'adopt needs a reason', { facts: { verb: 'adopt' } });
      authorise(actor, 'adopt', null);
      const wanted = request.body.version ?? (await newestVersion(deps.pool)) ?? 0;
      const version = await deps.versionOf(wanted);
      const key = keyOf(request.headers);
      const hash = bodyHash({ verb: 'adopt', run, version: request.body.version ?? null, reason });
      const from = context.run.catalogueVersion;
      const before = dryRun
        ? null
        : await answeredBefore(deps.pool, { actor: actor.name, key, bodyHash: hash });
      if (before !== null)
        return { run, from: before.from, version: before.version, dryRun, ...toResponse(before.answer) };
      if (wanted === from)
        throw new SluiceError('already_adopted', `${run} has catalogue version ${wanted}`, {
          facts: { run, version: wanted },
        });
      if (dryRun)
        return {
          run,
          from,
          version: wanted,
          dryRun,
          ...toResponse(await previewAdoption(deps.pool, context, version, deps.graceMs)),
        };
      const given = { actor: actor.name, roles: actor.roles, key, bodyHash: hash, reason };
      const adoption = await adoptVersion(deps.pool, context, version, {
        graceMs: deps.graceMs,
        request: given,
      });
      deps.contextOf.forget(run);
      return { run, from, version: wanted, dryRun, ...toResponse(adoption) };
    },
  });
}

/** New blockers come first, as a person has to look at them. */
function toResponse({
  newBlockers,
  started,
  freed,
  added,
  removed,
  lapsed,
}: AdoptionAnswer): Omit<Adopted, 'run' | 'from' | 'version' | 'dryRun'> {
  return { newBlockers, started, freed, added, removed, lapsedWaives: lapsed };
}

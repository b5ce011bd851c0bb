/** One request to several runs (protocol E4): verified and logged in all of them at once, or in none. */
import type { Actor } from '../../store/operations/actors.ts';
import type { OperationRow } from '../../store/operations/operation-rows.ts';
import { isKnownKey } from '../../store/operations/operations.ts';
import { type Alongside, type Part, requestTogether } from '../../store/operations/operations-together.ts';
import type { ServiceDeps } from '../deps.ts';
import { prepare, type VerbRequest, waitForOutcome } from './request-operation.ts';

/**
 * Logs the request in all runs and answers its rows, without waiting for their outcomes. Each part has a key of its own. The actor's permission
 * is checked for each part unless that part's key is known. Throws what `prepare` and `requestTogether` throw.
 */
export async function logInRuns(
  deps: ServiceDeps,
  actor: Actor,
  requests: readonly VerbRequest[],
  key: string,
  alongside?: Alongside,
): Promise<OperationRow[]> {
  const parts: Part[] = [];
  for (const asked of requests) {
    const ownKey = parts.length === 0 ? key : `${key}/${asked.run}`;
    const known = isKnownKey(deps.pool, actor.name, ownKey);
    const { context, request } = await prepare(deps, actor, asked, known);
    const { name, roles } = actor;
    parts.push({
      run: context.run.id,
      context,
      request,
      graceMs: deps.graceMs,
      actor: name,
      roles,
      key: ownKey,
    });
  }
  return requestTogether(deps.pool, parts, alongside);
}

/** The same; waits for all outcomes and answers that of the first run. */
export async function requestInRuns(
  deps: ServiceDeps,
  actor: Actor,
  requests: readonly VerbRequest[],
  key: string,
): Promise<OperationRow> {
  const outcomes: OperationRow[] = [];
  for (const row of await logInRuns(deps, actor, requests, key))
    outcomes.push(await waitForOutcome(deps, row));
  return outcomes[0]!;
}

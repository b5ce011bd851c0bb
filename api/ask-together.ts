/** One request to several runs (protocol E): verified and logged in all of them at once, or in none. */
import type { Actor } from '../store/actors.ts';
import type { OperationRow } from '../store/operations.ts';
import { type Part, requestTogether } from '../store/operations-together.ts';
import { prepare, type Wish, waitForOutcome } from './ask.ts';
import type { ApiDeps } from './deps.ts';

/** Waits for all outcomes and answers that of the first run. Throws what `prepare` and `requestTogether` throw. */
export async function askTogether(
  deps: ApiDeps,
  actor: Actor,
  wishes: readonly Wish[],
  key: string,
  repeated: boolean,
): Promise<OperationRow> {
  const parts: Part[] = [];
  for (const wish of wishes) {
    const { context, request } = await prepare(deps, actor, wish, repeated);
    const given = {
      actor: actor.name,
      roles: actor.roles,
      key: parts.length === 0 ? key : `${key}/${context.run.id}`,
    };
    parts.push({ run: context.run.id, context, request, graceMs: deps.graceMs, ...given });
  }
  const rows = await requestTogether(deps.pool, parts);
  const outcomes: OperationRow[] = [];
  for (const row of rows) outcomes.push(await waitForOutcome(deps, row));
  return outcomes[0]!;
}

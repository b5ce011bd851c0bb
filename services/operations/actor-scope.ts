/** Whether an actor's scope contains what a request is about (protocol B4). Which roles a verb needs: graph/verbs/needed-roles.ts. */
import { SluiceError } from '../../errors.ts';
import type { Flow } from '../../graph/model.ts';
import type { Actor } from '../../store/operations/actors.ts';

/**
 * Throws `out_of_scope` unless the actor may do this to all of these flows. A scope of empty lists contains everything; any other has to name
 * each flow by its id, its procedure or its platform. `flows` null: the request concerns a whole run, a schedule or the catalogue, and only a
 * scope of empty lists is enough.
 */
export function authorise(actor: Actor, verb: string, flows: readonly Flow[] | null): void {
  const { scope } = actor;
  const limited = scope.procedures.length + scope.flows.length + scope.platforms.length > 0;
  if (!limited) return;
  const outside =
    flows === null
      ? [`every flow (${verb})`]
      : flows
          .filter(
            (flow) =>
              !scope.flows.includes(flow.id) &&
              !(flow.procedure !== undefined && scope.procedures.includes(flow.procedure)) &&
              !(flow.platform !== undefined && scope.platforms.includes(flow.platform)),
          )
          .map((flow) => flow.id);
  if (outside.length === 0) return;
  const shown = outside.slice(0, 5).join(', ');
  throw new SluiceError('out_of_scope', `the scope of ${actor.name} does not contain ${shown}`, {
    facts: { actor: actor.name, verb, outside: outside.slice(0, 100) },
  });
}

/** The same for a platform and its agents: a scope that is not empty has to name the platform. Throws `out_of_scope`. */
export function authorisePlatform(actor: Actor, verb: string, platform: string): void {
  const { procedures, flows, platforms } = actor.scope;
  if (procedures.length + flows.length + platforms.length === 0 || platforms.includes(platform)) return;
  throw new SluiceError(
    'out_of_scope',
    `the scope of ${actor.name} does not contain the platform ${platform}`,
    {
      facts: { actor: actor.name, verb, platform },
    },
  );
}

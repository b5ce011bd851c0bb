/** The impact of a change, as answers show it. */

import type { Impact } from '../../contract/impact.ts';
import { wayTo } from '../../graph/compiled/reach.ts';
import { type Estate, estateOf, impactOf } from '../../graph/impact/impact.ts';
import type { CatalogueVersion, Frame } from '../../store/catalogue/catalogue.ts';

/** Maximum number of key flows, and of deadlines, that are named. */
const NAMED = 200;

const estates = new WeakMap<CatalogueVersion, Estate>();

/** The graph of all flows of a version over all cycles; made once. O(V + E). */
export function estateOfVersion(version: CatalogueVersion): Estate {
  let estate = estates.get(version);
  if (estate === undefined) {
    estate = estateOf(version.flows.values());
    estates.set(version, estate);
  }
  return estate;
}

/** O(V + E). */
export function toImpactResponse(
  estate: Estate,
  { procedures }: Pick<Frame, 'procedures'>,
  roots: readonly number[],
): Impact {
  const impact = impactOf(estate, roots);
  const id = (v: number): string => estate.flows[v]!.id;
  const owners = new Map(procedures.map((procedure) => [procedure.id, procedure.owner]));
  const sorted = (counts: ReadonlyMap<string, number>): [string, number][] =>
    [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  return {
    flows: impact.below.length,
    keys: impact.keys.length,
    keyFlows: impact.keys.slice(0, NAMED).map((v) => ({ flow: id(v), way: wayTo(impact.reach, v).map(id) })),
    procedures: sorted(impact.procedures).map(([procedure, flows]) => ({
      procedure,
      owner: owners.get(procedure) ?? null,
      flows,
    })),
    owners: sorted(impact.owners).map(([owner, flows]) => ({ owner, flows })),
    groups: sorted(impact.groups).map(([group, flows]) => ({ group, flows })),
    deadlines: impact.deadlines
      .slice(0, NAMED)
      .map((v) => ({ flow: id(v), deadline: estate.flows[v]!.deadline! })),
  };
}

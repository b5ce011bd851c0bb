/**
 * Says which roles an operation needs in its run (protocol B4): those of the gates that it overrides, and `key` for a force-pass of a key flow.
 * An actor who lacks one needs the approval of a second person. graph/verbs/operate.ts asks this after the checks of all flows or edges;
 * services/operations/actor-scope.ts has checked the scope of the actor before.
 */
import type { OperationEntry, Verb } from '../run/decisions.ts';
import type { Machine } from '../run/machine.ts';
import { unmetUpstreams } from '../run/settle.ts';
import { isDone } from '../run/state.ts';

/** The role that a force-pass of a key flow needs. An actor without it asks a second person (protocol B4). */
export const KEY_ROLE = 'key';

/**
 * Roles that the verb needs for flow `v`, sorted: those of the gates that it overrides, and `key` for a force-pass of a key flow.
 * `waived` is what a waive sets aside: the upstream within the run, and numbers of subscriptions to other runs. O(in-degree).
 */
export function neededRoles(
  m: Machine,
  verb: Verb,
  v: number,
  waived: { readonly from: number | null; readonly runs: readonly number[] } = { from: null, runs: [] },
): string[] {
  const roles = new Set<string>();
  const { graph, s } = m;
  const overridesTarget = verb === 'force-pass' || verb === 'skip' || verb === 'start-now';
  if (overridesTarget) addGate(v);
  if (verb === 'force-pass' || verb === 'start-now') {
    for (const u of unmetUpstreams(m, v)) addGate(u);
    for (let i = s.subscriptions.off[v]!; i < s.subscriptions.off[v + 1]!; i++)
      if (s.waivedForeign[i] === 0) addGateOfRun(i);
  }
  if (verb === 'waive' && waived.from !== null) addGate(waived.from);
  if (verb === 'waive') for (const i of waived.runs) addGateOfRun(i);
  if (verb === 'force-pass' && graph.attrOf(v).key) roles.add(KEY_ROLE);
  return [...roles].sort();

  function addGate(u: number): void {
    const { runner, role } = graph.attrOf(u);
    if (runner === 'person' && role !== null && !isDone(s, u)) roles.add(role);
  }

  function addGateOfRun(i: number): void {
    if (s.foreignMet[i] !== 0) return;
    const { from } = s.subscriptions.list[i]!;
    for (let e = graph.foreignOff[v]!; e < graph.foreignOff[v + 1]!; e++) {
      const { from: upstream, role } = graph.foreign[e]!;
      if (upstream === from && role !== undefined) roles.add(role);
    }
  }
}

/** Whether the actor has every needed role, or a second person has approved this request. */
export function isEntitled(entry: OperationEntry, roles: readonly string[]): boolean {
  return entry.approvedBy !== null || roles.every((role) => entry.roles.includes(role));
}

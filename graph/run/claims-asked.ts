/** Which flows' claims the coordinator has to know before it decides its log rows. Pure; used by the exchange and by its model in tests. */
import type { Entry, Verb } from './decisions.ts';

/** Verbs whose rules look only at the claims of the flows that they name. */
const OF_THEIR_OWN: ReadonlySet<Verb> = new Set<Verb>([
  ...(['hold', 'unhold', 'skip', 'unskip', 'expedite', 'force-pass', 'start-now', 'cancel'] as const),
  ...(['confirm', 'reject', 'withdraw', 'resolve'] as const),
]);

/** Ids of flows; `all` when an operation may look at any (reruns, triggers, waives, runs); null when no operation is among the entries. */
export function claimsAsked(entries: readonly Entry[]): readonly string[] | 'all' | null {
  const named = new Set<string>();
  let asked = false;
  for (const entry of entries) {
    if (entry.kind !== 'operation') continue;
    if (!OF_THEIR_OWN.has(entry.request.verb)) return 'all';
    asked = true;
    for (const flow of entry.request.flows) named.add(flow);
  }
  return asked ? [...named] : null;
}

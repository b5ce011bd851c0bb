/** Which flows of a catalogue version a rehearsal may carry out: asked when one is opened and when one adopts another version. */
import { SluiceError } from '../../errors.ts';
import {
  gapText,
  type RehearsalGap,
  rehearsalForm,
  rehearsalGaps,
  twinsOf,
} from '../../graph/catalogue/rehearsal.ts';
import type { Cycle } from '../../graph/model.ts';
import type { CatalogueVersion } from './catalogue.ts';

/**
 * Throws `no_rehearsal_twin` when a flow that the rehearsal is opened for has effects and no twin for them. `procedures` null: all flows of
 * the cycle.
 */
export function refuseGaps(
  { flows, frame, version }: CatalogueVersion,
  cycle: Cycle,
  procedures: readonly string[] | null,
): void {
  const meant = [...flows.values()].filter(
    (flow) =>
      flow.cycle === cycle &&
      (procedures === null || (flow.procedure !== undefined && procedures.includes(flow.procedure))),
  );
  const gaps = rehearsalGaps(meant, frame.connections);
  if (gaps.length === 0) return;
  const named = gaps.slice(0, 3).map(gapText).join(', ');
  const more = gaps.length > 3 ? ` and ${gaps.length - 3} more` : '';
  throw new SluiceError('no_rehearsal_twin', `in a rehearsal these would reach production: ${named}${more}`, {
    facts: { version, flows: gaps.map((gap) => gap.flow), connections: connectionsIn(gaps) },
  });
}

const connectionsIn = (gaps: readonly RehearsalGap[]): string[] =>
  [...new Set(gaps.flatMap((gap) => gap.connection ?? []))].sort();

/** Flows of the cycle that the catalogue leaves out of rehearsals. */
export function notRehearsed({ flows, frame }: CatalogueVersion, cycle: Cycle): Set<string> {
  const twins = twinsOf(frame.connections);
  const left = [...flows.values()].filter(
    (flow) => flow.cycle === cycle && rehearsalForm(flow, twins)?.kind === 'skip',
  );
  return new Set(left.map((flow) => flow.id));
}

/** The root of an act: what happened, in a text that is unique for a rule. */
import type { ActRow } from '../../store/rules/acts.ts';
import type { FactKind } from '../../store/rules/facts.ts';

/** A result, or a failure: `RUN FLOW GENERATION`; a late effect: `RUN FLOW late INSTANT`. The root of a correction is its id. */
export const flowRoot = (of: {
  readonly run: string;
  readonly flow: string;
  /** null: a late effect. */
  readonly generation: number | null;
  readonly at: number;
}): string => `${of.run} ${of.flow} ${of.generation ?? `late ${of.at}`}`;

export interface Root {
  /** The generation that succeeded or failed; null: there is none. */
  readonly generation: number | null;
  readonly isLate: boolean;
  /** The run that the act asks about because it was left out (`askAboutLeft` puts it behind the root); null: none in particular. */
  readonly left: string | null;
}

/** How many words a root has without the run that was left out. */
const wordsOf = (kind: FactKind, isLate: boolean): number => (kind === 'corrected' ? 1 : isLate ? 4 : 3);

export function readRoot({ kind, root }: Pick<ActRow, 'kind' | 'root'>): Root {
  const words = root.split(' ');
  const isLate = kind !== 'corrected' && words[2] === 'late';
  return {
    generation: kind === 'corrected' || isLate ? null : Number(words[2]),
    isLate,
    left: words[wordsOf(kind, isLate)] ?? null,
  };
}

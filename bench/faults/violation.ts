/** A broken rule, and helpers that compare facts to find one. */

export interface Violation {
  /** Short name of the rule that was broken. */
  readonly invariant: string;
  /** What happened, with the facts to look it up. */
  readonly detail: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

export type Report = (invariant: string, detail: string, facts: Readonly<Record<string, unknown>>) => void;

/** Results that free what is below. */
export const RELEASING: ReadonlySet<string> = new Set(['succeeded', 'skipped', 'force_passed']);

export const generationKey = (entry: { run: string; flow: string; generation: number }): string =>
  `${entry.run} ${entry.flow} generation ${entry.generation}`;
export const flowKey = (entry: { run: string; flow: string }): string => `${entry.run} ${entry.flow}`;

export function grouped<T>(list: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of list) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

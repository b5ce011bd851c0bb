/** Protocol C5, C7: what a program started is over when its attempt has ended, and before the next attempt of its flow begins. */
import type { Beats } from './estate.ts';
import type { AttemptFact, Facts } from './facts.ts';
import { flowKey, grouped, type Report } from './violation.ts';

export interface Survivor {
  readonly beats: Beats;
  readonly attempt: AttemptFact;
  /** What had happened before its last word. */
  readonly outlived: 'its end' | 'the next start';
}

/** Outcomes that an agent reports when it has ended everything that the program started. */
const REPORTED: ReadonlySet<string> = new Set(['succeeded', 'failed', 'cancelled']);

/** Daemons that spoke after their attempt's reported end, or after the start of a later attempt of the flow. O(attempts log attempts). */
export function survivorsOf(facts: Facts): Survivor[] {
  const beatsOf = new Map(facts.beats.map((beat) => [beat.epoch, beat]));
  const found: Survivor[] = [];
  for (const list of grouped(facts.attempts, flowKey).values()) {
    const sorted = [...list].sort((a, b) => a.epoch - b.epoch);
    sorted.forEach((attempt, i) => {
      const beats = beatsOf.get(attempt.epoch);
      if (beats === undefined) return;
      const reported = REPORTED.has(attempt.outcome ?? '') && attempt.endedMs !== null;
      const next = sorted.slice(i + 1).find((later) => later.startedMs !== null);
      if (reported && beats.lastMs > attempt.endedMs!) found.push({ beats, attempt, outlived: 'its end' });
      else if (next !== undefined && beats.lastMs > next.startedMs!)
        found.push({ beats, attempt, outlived: 'the next start' });
    });
  }
  return found;
}

export function checkSurvivors(facts: Facts, report: Report): void {
  for (const { beats, attempt, outlived } of survivorsOf(facts))
    report(
      'no_survivor',
      `what epoch ${attempt.epoch} of ${flowKey(attempt)} started lived on after ${outlived}`,
      { beats, attempt },
    );
}

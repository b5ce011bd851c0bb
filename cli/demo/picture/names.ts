/** What is named in the picture of a run. */
import { duration } from '../../text/instant.ts';
import { kindText } from '../../text/kinds.ts';
import { type Label, type Place, placed, type Wanted } from './labels.ts';
import { CHART, type Layout } from './layout.ts';
import type { Month } from './month.ts';
import { pictureWords } from './words.ts';

/** Shares of the whole from which on a piece of the critical path, or the wait for a person, gets its name. */
const NAMED_PIECE = 0.03;
const NAMED_WAIT = 0.2;
/** Pixels from the middle of the sign of a force-pass to its side. */
export const DIAMOND = 6;

/**
 * Failures and force-passes first. Then what a reader asks about, where there is room: the longest pieces of the path, and persons for whom
 * the run has waited long.
 */
export function labelsOf(month: Month, { x, rowY, lang }: Layout): Label[] {
  const words = pictureWords(lang);
  const total = month.to - month.from;
  const rows = month.bands.flatMap((band) => band.rows);
  const failed = rows.flatMap(({ flow, bars }): Wanted[] => {
    const bar = bars.find(({ kind }) => kind === 'failed');
    if (bar === undefined) return [];
    const places = [
      ...beside(flow, bar, ['left', 'right']),
      { side: 'right', from: x(bar.from), to: x(bar.to) } as const,
    ];
    return [{ text: `${flow} · ${words('failed')}`, style: 'failed', y: rowY.get(flow)!, places }];
  });
  const forced = rows.flatMap(({ flow, forcedAt }): Wanted[] => {
    if (forcedAt === null) return [];
    const sign = { from: x(forcedAt) - DIAMOND, to: x(forcedAt) + DIAMOND };
    const places: Place[] = [
      { side: 'right', ...sign },
      { side: 'left', ...sign },
    ];
    return [{ text: `${flow} · ${words('forced')}`, style: 'forced', y: rowY.get(flow)!, places }];
  });
  const pieces = month.path
    .filter(({ flow, from, to }) => rowY.has(flow) && to - from >= NAMED_PIECE * total)
    .toSorted((a, b) => b.to - b.from - (a.to - a.from))
    .map((step): Wanted => {
      const { flow, kind, from, to } = step;
      const what = `${kindText(kind, lang)} ${duration(to - from)}`;
      const row = { style: 'on', y: rowY.get(flow)! };
      return kind === 'run'
        ? { text: `${flow} · ${what}`, ...row, places: beside(flow, step, ['right', 'left']) }
        : { text: what, ...row, places: [{ side: 'above', from: x(from), to: x(to) }] };
    });
  const waits = rows.flatMap(({ flow, bars }): Wanted[] =>
    bars
      .filter(({ kind, from, to }) => kind === 'wait' && to - from >= NAMED_WAIT * total)
      .map((bar) => ({
        text: `${flow} · ${words('waiting')} ${duration(bar.to - bar.from)}`,
        style: 'quiet',
        y: rowY.get(flow)!,
        places: beside(flow, bar, ['right', 'above', 'left']),
      })),
  );
  return placed([...failed, ...forced, ...pieces, ...waits], CHART);

  /** Beside a bar, outside of where the path comes into its row and leaves it. */
  function beside(flow: string, bar: { from: number; to: number }, sides: readonly Place['side'][]): Place[] {
    const steps = [bar, ...month.path.filter((step) => step.flow === flow)];
    const from = x(Math.min(...steps.map((step) => step.from)));
    const to = x(Math.max(...steps.map((step) => step.to)));
    return sides.map((side) => ({ side, from, to }));
  }
}

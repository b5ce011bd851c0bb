/** The output of the demo on stderr: messages with the time since the start, and on a terminal a live bar below them. */
import type { Sight } from '../follow.ts';
import type { Stream } from '../session.ts';
import { type Paint, painter } from '../text/colour.ts';
import { LiveBlock } from '../text/live.ts';
import { type Lang, type Phrase, phrases } from '../text/phrases.ts';
import { progressBar } from '../text/progress.ts';
import { STATES, stateColour, stateWord } from '../text/states.ts';
import { truncate } from '../text/width.ts';
import { type NarrationKey, narration } from './phrases.ts';

export interface Narrator {
  readonly lang: Lang;
  readonly paint: Paint;
  readonly phrase: Phrase;
  readonly columns: number;
  narrate(key: NarrationKey, values?: Readonly<Record<string, string | number>>): void;
  /** Prints lines of an answer, indented. */
  lines(lines: readonly string[]): void;
  /** Draws the bar for the present state of a run. */
  progress(sight: Sight): void;
  end(): void;
}

export function createNarrator(stream: Stream, lang: Lang, colour: boolean): Narrator {
  const terminal = stream.isTTY === true;
  const paint = painter(colour && terminal);
  const words = narration(lang);
  const startedAt = performance.now();
  const columns = terminal ? Math.max(60, stream.columns ?? 100) : 120;
  const live = terminal ? new LiveBlock(stream) : null;
  let bar: string[] = [];
  const write = (lines: readonly string[]): void => {
    if (live === null) stream.write(lines.map((line) => `${line}\n`).join(''));
    else live.show(bar, lines);
  };
  const clock = (): string => `${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(5)} s`;
  return {
    lang,
    paint,
    phrase: phrases(lang),
    columns,
    narrate: (key, values) => write([`${paint('dim', clock())}  ${words(key, values)}`]),
    lines: (lines) => write(lines.flatMap((line) => line.split('\n')).map((line) => `         ${line}`)),
    progress(sight) {
      if (live === null) return;
      bar = barLines(sight, lang, paint, columns);
      live.show(bar);
    },
    end() {
      live?.clear();
      bar = [];
    },
  };
}

function barLines({ run, flows }: Sight, lang: Lang, paint: Paint, columns: number): string[] {
  const counts = run.counts as Readonly<Record<string, number>>;
  const done = (counts.succeeded ?? 0) + (counts.skipped ?? 0) + (counts.force_passed ?? 0);
  const shown = Object.keys(STATES).filter((state) => (counts[state] ?? 0) > 0);
  const running = flows.filter((flow) => flow.state === 'running').map((flow) => flow.id);
  const width = Math.min(40, columns - 40);
  return [
    `${paint('bold', run.id)} ${progressBar(done, run.flows, width, paint)} ${done}/${run.flows}`,
    shown
      .slice(0, 6)
      .map((state) => paint(stateColour(state), `${stateWord(state, lang)} ${counts[state]}`))
      .join('  '),
    paint('cyan', truncate(running.length === 0 ? '' : `> ${running.join('  ')}`, columns - 2)),
  ];
}

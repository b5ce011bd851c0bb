/** What the demo says on stderr: lines with the time that has passed, and below them a live bar when it is a terminal. */
import type { Sight } from '../follow.ts';
import type { Stream } from '../session.ts';
import { type Paint, painter } from '../text/colour.ts';
import { LiveBlock } from '../text/live.ts';
import { type Lang, type Phrase, phrases } from '../text/phrases.ts';
import { progressBar } from '../text/progress.ts';
import { STATES, stateColour, stateWord } from '../text/states.ts';
import { truncate } from '../text/width.ts';
import { type TellKey, tellPhrases } from './phrases.ts';

export interface Talk {
  readonly lang: Lang;
  readonly paint: Paint;
  readonly phrase: Phrase;
  readonly columns: number;
  tell(key: TellKey, values?: Readonly<Record<string, string | number>>): void;
  /** Lines of an answer, indented. */
  lines(lines: readonly string[]): void;
  /** How a run stands now: the bar. */
  progress(sight: Sight): void;
  end(): void;
}

export function createTalk(stream: Stream, lang: Lang, colour: boolean): Talk {
  const terminal = stream.isTTY === true;
  const paint = painter(colour && terminal);
  const words = tellPhrases(lang);
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
    tell: (key, values) => write([`${paint('dim', clock())}  ${words(key, values)}`]),
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

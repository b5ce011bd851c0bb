/** `sluice critical-path [FLOW]`: how the time from the opening of the run to the end of a flow was spent. */
import type { CriticalPath } from '../../contract/answers.ts';
import { ofRun, type Printing, runOf } from '../session.ts';
import type { Colour } from '../text/colour.ts';
import { duration, instant, time } from '../text/instant.ts';
import { kindText } from '../text/kinds.ts';
import { pathPicture } from '../text/picture.ts';
import { oneLine, padEnd, padStart, truncate, widthOf } from '../text/width.ts';
import type { Tree } from '../tree.ts';

export function addCriticalPathCommand(tree: Tree): void {
  const { root, help } = tree;
  root
    .command('critical-path [flow]')
    .description(help('critical_path'))
    .option('--run <run>', help('run_option'))
    .option('--svg', help('svg'), false)
    .action(
      tree.does<{ run?: string; svg: boolean }>(async (session, [target], { run, svg }) => {
        const id = await runOf(session, run);
        const path = await session.client.get<CriticalPath>(ofRun(id, '/critical-path'), { target });
        if (svg) session.out.write(pathPicture(path, session.lang));
        else session.answer(path, (entry) => pathLines(entry, session));
        return undefined;
      }),
    );
}

/** Green: work. Red: failures and repeats. Blue: people. Cyan: waiting for a time. Magenta: held or paused. */
const COLOURS: Readonly<Record<string, Colour>> = {
  run: 'green',
  failed_attempt: 'red',
  retry_backoff: 'red',
  rework: 'red',
  waiting_person: 'blue',
  manual_start: 'blue',
  waiting_time: 'cyan',
  held: 'magenta',
  paused: 'magenta',
  engine: 'dim',
};

const MAX_BAR = 60;

/** One line for each piece with a bar at its place in time, and the sum by kind at the end. The demo prints these lines, too. */
export function pathLines(it: CriticalPath, { lang, phrase, paint, columns }: Printing): string[] {
  const end = it.endedAt ?? it.now;
  const lines = [
    `${paint('bold', phrase('critical_path'))}  ${it.run}  ${oneLine(it.target)}${it.endedAt === null ? `  (${phrase('not_done')})` : ''}`,
    paint('dim', `${instant(it.openedAt)} .. ${instant(end)}  ${duration(it.total)}`),
  ];
  const pieces = merged(it.pieces);
  const took = pieces.map((piece) => duration(piece.ms));
  const kinds = pieces.map((piece) => kindText(piece.kind, lang));
  const tookWidth = Math.max(0, ...took.map(widthOf));
  const kindWidth = Math.max(0, ...kinds.map(widthOf));
  const flowWidth = Math.max(0, ...pieces.map((piece) => widthOf(piece.flow)));
  const room = Math.min(columns, 160) - time(it.openedAt).length - tookWidth - kindWidth - 9;
  const names = Math.min(flowWidth, Math.max(16, Math.floor(room * 0.55)));
  const bar = Math.max(8, Math.min(MAX_BAR, room - names));
  pieces.forEach((piece, i) => {
    const from = Math.min(bar - 1, Math.floor(((piece.from - it.openedAt) / it.total) * bar));
    const to = Math.max(from + 1, Math.round(((piece.to - it.openedAt) / it.total) * bar));
    const drawn = `${' '.repeat(from)}${paint(COLOURS[piece.kind] ?? 'yellow', '#'.repeat(Math.min(bar, to) - from))}${' '.repeat(bar - Math.min(bar, to))}`;
    const by = piece.by === null ? '' : `  ${paint('dim', oneLine(piece.by))}`;
    lines.push(
      `${time(piece.from)} ${padEnd(truncate(oneLine(piece.flow), names), names)}  ${padEnd(kinds[i]!, kindWidth)}  ${padStart(took[i]!, tookWidth)}  |${drawn}|${columns > 160 || by === '' ? by : ''}`.trimEnd(),
    );
  });
  const sums = Object.entries(it.kinds).sort(([, a], [, b]) => b - a);
  const sum = sums.reduce((total, [, ms]) => total + ms, 0);
  lines.push(
    `${phrase('sum')}: ${sums.map(([kind, ms]) => `${kindText(kind, lang)} ${duration(ms)}`).join(' + ')} = ${duration(sum)}`,
  );
  if (it.unattributed !== 0)
    lines.push(paint('red', `${phrase('unattributed')}: ${duration(it.unattributed)}`));
  return lines;
}

/** Joins neighbouring pieces of the same flow, kind and person. */
function merged(pieces: CriticalPath['pieces']): CriticalPath['pieces'] {
  const lines: CriticalPath['pieces'][number][] = [];
  for (const piece of pieces) {
    const last = lines.at(-1);
    const alike =
      last?.flow === piece.flow &&
      last.kind === piece.kind &&
      (last.by ?? piece.by) === (piece.by ?? last.by);
    if (last === undefined || !alike || piece.kind === 'run' || piece.kind === 'failed_attempt')
      lines.push(piece);
    else lines[lines.length - 1] = { ...last, to: piece.to, ms: last.ms + piece.ms, by: last.by ?? piece.by };
  }
  return lines;
}

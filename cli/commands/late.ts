/** `sluice late [FLOW]`: how late a flow is against an earlier run, and because of what. */
import type { Lateness } from '../../contract/answers.ts';
import { ofRun, type Printing, runOf } from '../session.ts';
import { instant, signed } from '../text/instant.ts';
import { kindText } from '../text/kinds.ts';
import { latenessPicture } from '../text/picture.ts';
import { oneLine, padEnd, padStart, truncate, widthOf } from '../text/width.ts';
import type { Tree } from '../tree.ts';

export function addLateCommand(tree: Tree): void {
  const { root, help } = tree;
  root
    .command('late [flow]')
    .description(help('late'))
    .option('--run <run>', help('run_option'))
    .option('--against <reference>', help('late_against'), 'previous')
    .option('--svg', help('svg'), false)
    .action(
      tree.does<{ run?: string; against: string; svg: boolean }>(async (session, [target], options) => {
        const { run, against, svg } = options;
        const id = await runOf(session, run);
        const found = await session.client.get<Lateness>(ofRun(id, '/lateness'), { target, against });
        if (svg) session.out.write(latenessPicture(found, session.lang));
        else session.answer(found, (found) => latenessLines(found, session));
        return undefined;
      }),
    );
}

const MAX_BAR = 40;

/** The sentence, then a line a part: what was later to the right, what was earlier to the left; at the end the sum. */
function latenessLines(it: Lateness, { lang, phrase, paint, columns }: Printing): string[] {
  const end = it.endedAt ?? it.now;
  const lines = [
    `${paint('bold', phrase('lateness'))}  ${it.run}  ${oneLine(it.target)}  ${phrase('against_run', { run: it.reference.run ?? phrase('its_reference_time') })}${it.endedAt === null ? `  (${phrase('not_done')})` : ''}`,
    paint(
      'dim',
      `${phrase('expected_at')} ${instant(it.expectedAt)}  ${phrase('ended')} ${instant(end)}  ${signed(it.total)}`,
    ),
    oneLine(it.text[lang]),
  ];
  // A run that was opened a month earlier or later must not make every other bar a dot.
  const own = it.parts.filter((part) => part.kind !== 'opening');
  const longest = Math.max(1, ...(own.length === 0 ? it.parts : own).map((part) => Math.abs(part.ms)));
  const flows = it.parts.map((part) => oneLine(part.flow ?? it.run));
  const kinds = it.parts.map((part) => kindText(part.kind, lang));
  const added = it.parts.map((part) => signed(part.ms));
  const width = (texts: readonly string[]): number => Math.max(0, ...texts.map(widthOf));
  const room = Math.min(columns, 160) - width(kinds) - width(added) - 10;
  const names = Math.min(width(flows), Math.max(16, Math.floor(room * 0.5)));
  const half = Math.max(4, Math.min(MAX_BAR, Math.floor((room - names) / 2)));
  it.parts.forEach((part, i) => {
    const size = Math.min(half, Math.max(1, Math.round((Math.abs(part.ms) / longest) * half)));
    const bar =
      part.ms > 0
        ? `${' '.repeat(half)}|${paint('red', '#'.repeat(size))}`
        : `${' '.repeat(half - size)}${paint('green', '#'.repeat(size))}|`;
    const mark = it.mainCause !== null && part.flow === it.mainCause.flow && part.kind === it.mainCause.kind;
    lines.push(
      `${mark ? '*' : ' '} ${padEnd(truncate(flows[i]!, names), names)}  ${padEnd(kinds[i]!, width(kinds))}  ${padStart(added[i]!, width(added))}  ${bar}`.trimEnd(),
    );
  });
  const sum = it.parts.reduce((total, { ms }) => total + ms, 0);
  lines.push(`${phrase('sum')}: ${signed(sum)}`);
  if (it.mainCause !== null) lines.push(paint('dim', `* ${phrase('late_because')}`));
  return lines;
}

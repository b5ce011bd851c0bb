/** `sluice why FLOW --run R`, `sluice why --run R`: the final causes, not the symptoms. */
import type { Cause, WhyFlow, WhyRun } from '../../api/schemas/answers.ts';
import { part } from '../client.ts';
import { ofRun, runOf, type Session } from '../session.ts';
import { duration, instant } from '../text/instant.ts';
import { stateText, stateWord } from '../text/states.ts';
import { table } from '../text/table.ts';
import { oneLine, widthOf } from '../text/width.ts';
import { type Tree, wholeNumber } from '../tree.ts';

export function addWhyCommand(tree: Tree): void {
  const { root, help } = tree;
  root
    .command('why [flow]')
    .description(help('why'))
    .option('--run <run>', help('run_option'))
    .option('--limit <n>', help('limit'), wholeNumber(1), 20)
    .action(
      tree.does<{ run?: string; limit: number }>(async (session, [flow], { run, limit }) => {
        const id = await runOf(session, run);
        if (flow === undefined) {
          const answer = await session.client.get<WhyRun>(ofRun(id, '/why'), { causes: limit, limit });
          session.answer(answer, (it) => runLines(it, session));
          return undefined;
        }
        const answer = await session.client.get<WhyFlow>(ofRun(id, `/flows/${part(flow)}/why`), { limit });
        session.answer(answer, (it) => whyLines(it, session));
        // An answer about what does not exist is an answer; that it does not exist is told by the exit code.
        return answer.state === null ? 3 : undefined;
      }),
    );
}

type Shown = Pick<Session, 'lang' | 'phrase' | 'paint'>;

/** Also the demo prints these. */
export function whyLines(it: WhyFlow, session: Shown): string[] {
  const { lang, phrase, paint } = session;
  const state = it.state === null ? '' : `  ${stateText(it.state, lang)}`;
  const lines = [`${paint('bold', oneLine(it.flow))}  ${it.run}${state}`, oneLine(it.text[lang])];
  for (const cause of it.causes) lines.push('', ...causeLines(cause, it.run, it.now, session, it.text[lang]));
  if (it.causeCount > it.causes.length)
    lines.push('', phrase('and_more', { n: it.causeCount - it.causes.length }));
  if (it.next.length > 0) {
    lines.push('', phrase('why_next'));
    for (const cause of it.next) lines.push(`  ${paint('yellow', cause.code)}  ${oneLine(cause.text[lang])}`);
  }
  for (const never of it.beforeBeginning.slice(0, 3))
    lines.push('', phrase('before_beginning', { ...never }));
  if (it.beforeBeginning.length > 3)
    lines.push(phrase('before_beginning_more', { n: it.beforeBeginning.length - 3 }));
  if (it.near.length > 0) lines.push(phrase('did_you_mean', { names: it.near.join(', ') }));
  return lines;
}

/** `said` is what stands above already. */
function causeLines(
  it: Cause,
  run: string,
  now: number,
  { lang, phrase, paint }: Shown,
  said = '',
): string[] {
  const who = [
    it.key ? phrase('key') : '',
    it.owner === null ? '' : `${phrase('owner')} ${oneLine(it.owner)}`,
  ];
  const lines = [
    `${paint('red', '●')} ${paint('bold', it.flow ?? phrase('whole_run'))}  ${paint('yellow', it.code)}${it.run === run ? '' : `  ${it.run}`}  ${who.filter((text) => text !== '').join('  ')}`,
  ];
  const text = it.text[lang];
  if (text !== said) lines.push(`  ${oneLine(text)}`);
  const moments = [
    it.since === null ? '' : phrase('since', { at: instant(it.since), for: duration(now - it.since) }),
    it.until === null ? '' : `${phrase('until')} ${instant(it.until)}`,
    phrase('blocks', { n: it.blocks }),
  ];
  lines.push(`  ${moments.filter((text) => text !== '').join('; ')}`);
  if (it.reason !== null && !text.includes(it.reason.slice(0, 60)))
    lines.push(`  ${phrase('said')}: ${oneLine(it.reason)}`);
  if (it.chain.length > 1) lines.push(`  ${it.chain.map(oneLine).join(paint('dim', ' <- '))}`);
  if (it.members.length > 0) lines.push(`  ${phrase('loop')}: ${it.members.map(oneLine).join(' -> ')}`);
  if (it.remedy.command !== null) lines.push(`  ${paint('green', it.remedy.command)}`);
  else if (it.remedy.verb !== null) lines.push(`  ${phrase('verb')}: ${paint('green', it.remedy.verb)}`);
  if (it.remedy.otherwise.length > 0)
    lines.push(`  ${phrase('otherwise')}: ${it.remedy.otherwise.join(', ')}`);
  if (it.remedy.procedure !== null) lines.push(`  ${phrase('procedure')}: ${it.remedy.procedure}`);
  return lines;
}

function runLines(it: WhyRun, session: Session): string[] {
  const { lang, phrase, paint } = session;
  const lines = [`${paint('bold', it.run)}  ${phrase('why_open', { n: it.open })}`, oneLine(it.text[lang])];
  for (const cause of it.causes) lines.push('', ...causeLines(cause, it.run, it.now, session));
  if (it.causeCount > it.causes.length)
    lines.push('', phrase('and_more', { n: it.causeCount - it.causes.length }));
  if (it.items.length === 0) return lines;
  const shown = table(
    it.items,
    [
      { title: phrase('flow'), cell: (row) => row.flow },
      { title: phrase('state'), cell: (row) => stateWord(row.state, lang), gives: 0 },
      { title: phrase('causes'), cell: (row) => String(row.causes), align: 'right', gives: 0 },
      {
        title: phrase('first_cause'),
        cell: (row) =>
          row.first === null ? '' : `${row.first.flow ?? phrase('whole_run')} ${row.first.code}`,
      },
    ],
    session.columns,
    (text) => paint('bold', text),
  );
  lines.push('', ...shown);
  if (it.nextCursor !== null) lines.push(paint('dim', '.'.repeat(widthOf('...'))));
  return lines;
}

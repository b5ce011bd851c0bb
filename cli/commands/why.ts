/** `sluice why FLOW --run R`, `sluice why --group G --run R`, `sluice why --run R`: the final causes, not the symptoms. */

import { Option } from 'commander';
import type { Cause, WhyFlow, WhyRun } from '../../contract/answers.ts';
import { part } from '../client.ts';
import { ofRun, type Printing, runOf, type Session } from '../session.ts';
import { causeTree } from '../text/cause-tree.ts';
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
    .option('--group <groups>', help('group_filter'))
    .option('--layer <layers>', help('layer_filter'))
    .option('--procedure <ids>', help('procedure_filter'))
    .option('--flows <ids>', help('flows_filter'))
    .addOption(new Option('--tree', help('why_tree')).conflicts(['table', 'sentence']))
    .addOption(new Option('--table', help('why_table')).conflicts('sentence'))
    .option('--sentence', help('why_sentence'))
    .action(
      tree.does<Asked>(async (session, [flow], { run, limit, flows, group, layer, procedure, ...form }) => {
        const id = await runOf(session, run);
        const filter = { flows: flows ?? flow, group, layer, procedure };
        if (flow === undefined || [flows, group, layer, procedure].some((entry) => entry !== undefined)) {
          const query = { ...filter, causes: limit, limit, chains: form.tree ?? false };
          const answer = await session.client.get<WhyRun>(ofRun(id, '/why'), query);
          session.answer(answer, (entry) => shownAs(form, entry, session) ?? runLines(entry, session));
          return undefined;
        }
        const answer = await session.client.get<WhyFlow>(ofRun(id, `/flows/${part(flow)}/why`), { limit });
        session.answer(answer, (entry) => shownAs(form, entry, session) ?? whyLines(entry, session));
        // An answer about what does not exist is an answer; the exit code says that it does not exist.
        return answer.state === null ? 3 : undefined;
      }),
    );
}

interface Form {
  readonly tree?: true;
  readonly table?: true;
  readonly sentence?: true;
}
interface Asked extends Form {
  readonly run?: string;
  readonly limit: number;
  readonly flows?: string;
  readonly group?: string;
  readonly layer?: string;
  readonly procedure?: string;
}

/** One of the three short forms; null when none was asked for. */
function shownAs(form: Form, it: WhyFlow | WhyRun, session: Session): string[] | null {
  const { lang, phrase } = session;
  if (form.sentence) {
    const { remedy } = it.causes[0] ?? {};
    const mend = [remedy?.command, remedy?.procedure].filter((text) => text != null).join('; ');
    return [oneLine(it.text[lang]), ...(mend === '' ? [] : [`${phrase('to_mend')}: ${mend}`])];
  }
  if (form.table) return causeTable(it, session);
  if (form.tree) return [oneLine(it.text[lang]), ...causeTree(it.causes, it.run, it.now, session)];
  return null;
}

/** A line for each final cause. */
function causeTable(it: WhyFlow | WhyRun, session: Session): string[] {
  const { phrase, paint } = session;
  const lines = table(
    it.causes,
    [
      { title: phrase('flow'), cell: (row) => placeOf(row, it.run, phrase('whole_run')), gives: 1 },
      { title: phrase('cause'), cell: (row) => row.code, paint: (text) => paint('yellow', text), gives: 0 },
      {
        title: phrase('open_for'),
        cell: (row) => (row.since === null ? '-' : duration(it.now - row.since)),
        align: 'right',
        gives: 0,
      },
      { title: phrase('blocked'), cell: (row) => String(row.blocks), align: 'right', gives: 0 },
      { title: phrase('owner'), cell: (row) => oneLine(row.owner ?? '-'), gives: 0 },
      { title: phrase('verb'), cell: (row) => row.remedy.verb ?? '-', gives: 0 },
      { title: phrase('procedure'), cell: (row) => row.remedy.procedure ?? '-', gives: 0 },
    ],
    session,
  );
  const more = it.causeCount - it.causes.length;
  return more > 0 ? [...lines, phrase('and_more', { n: more })] : lines;
}

const placeOf = (cause: Cause, run: string, whole: string): string =>
  `${cause.run === run ? '' : `${cause.run}/`}${oneLine(cause.flow ?? whole)}`;

/** Also the demo prints these. */
export function whyLines(it: WhyFlow, session: Printing): string[] {
  const { lang, phrase, paint } = session;
  const state = it.state === null ? '' : `  ${stateText(it.state, lang)}`;
  const lines = [`${paint('bold', oneLine(it.flow))}  ${it.run}${state}`, oneLine(it.text[lang])];
  for (const cause of it.causes) lines.push('', ...causeLines(cause, it, session));
  if (it.causeCount > it.causes.length)
    lines.push('', phrase('and_more', { n: it.causeCount - it.causes.length }));
  if (it.next.length > 0) {
    lines.push('', phrase('why_next'));
    for (const cause of it.next) lines.push(`  ${paint('yellow', cause.code)}  ${oneLine(cause.text[lang])}`);
  }
  for (const { rule, act, state, at, run, flow: id } of it.rules) {
    const flow = oneLine(run === it.run ? id : `${id} (${run})`);
    const said =
      state === 'requested'
        ? phrase('rule_asks', { rule, act, flow })
        : phrase('rule_reruns', { rule, flow, at: at === null ? phrase('soon') : instant(at) });
    lines.push('', paint('cyan', said));
  }
  for (const never of it.beforeBeginning.slice(0, 3))
    lines.push('', phrase('before_beginning', { ...never }));
  if (it.beforeBeginning.length > 3)
    lines.push(phrase('before_beginning_more', { n: it.beforeBeginning.length - 3 }));
  if (it.near.length > 0) lines.push(phrase('did_you_mean', { names: it.near.join(', ') }));
  return lines;
}

/** One final cause of an answer; the answer's own sentence stands above already. */
function causeLines(it: Cause, answer: WhyFlow, { lang, phrase, paint }: Printing): string[] {
  const who = [
    it.key ? phrase('key') : '',
    it.owner === null ? '' : `${phrase('owner')} ${oneLine(it.owner)}`,
  ];
  const lines = [
    `${paint('red', '●')} ${paint('bold', it.flow ?? phrase('whole_run'))}  ${paint('yellow', it.code)}${it.run === answer.run ? '' : `  ${it.run}`}  ${who.filter((text) => text !== '').join('  ')}`,
  ];
  const text = it.text[lang];
  if (text !== answer.text[lang]) lines.push(`  ${oneLine(text)}`);
  const moments = [
    it.since === null ? '' : phrase('since', { at: instant(it.since), for: duration(answer.now - it.since) }),
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
  if (it.causes.length > 0) lines.push('', ...causeTable(it, session));
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
    session,
  );
  lines.push('', ...shown);
  if (it.nextCursor !== null) lines.push(paint('dim', '.'.repeat(widthOf('...'))));
  return lines;
}

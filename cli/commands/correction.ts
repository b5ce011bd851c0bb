/** `sluice correct TABLE PERIOD`, `sluice correction list|show|plan`. */
import { Option } from 'commander';
import type { CorrectionAnswer, CorrectionPage } from '../../contract/corrections.ts';
import type { Plan } from '../../contract/rerun-plans.ts';
import { part } from '../client.ts';
import type { Session } from '../session.ts';
import { instant } from '../text/instant.ts';
import { firstNames } from '../text/list.ts';
import { madePlanLines } from '../text/rerun-plan.ts';
import { stateColour, stateText } from '../text/states.ts';
import { table } from '../text/table.ts';
import { oneLine } from '../text/width.ts';
import { type Tree, wholeNumber } from '../tree.ts';

interface ReportOptions {
  readonly platform?: string;
  readonly reason?: string;
  readonly key?: string;
}

export function addCorrectionCommands(tree: Tree): void {
  const { root, help } = tree;
  root
    .command('correct <table> <period>')
    .description(help('correct'))
    .option('--platform <platform>', help('lineage_platform'))
    .requiredOption('--reason <text>', help('reason'))
    .option('--key <key>', help('key'))
    .action(
      tree.does<ReportOptions>(async (session, [name, period], { platform, reason, key }) => {
        const body = { table: name, period, reason, ...(platform === undefined ? {} : { platform }) };
        const answer = await session.client.post<CorrectionAnswer>('/corrections', body, key);
        session.answer(answer, (entry) => answerLines(entry, session));
        return undefined;
      }),
    );
  const correction = root.command('correction').description(help('correction'));
  correction
    .command('list')
    .description(help('correction_list'))
    .option('--table <table>', help('table_filter'))
    .option('--period <period>', help('period_filter'))
    .option('--limit <n>', help('limit'), wholeNumber(1), 50)
    .action(
      tree.does<{ table?: string; period?: string; limit: number }>(
        async (session, _args, { limit, ...filter }) => {
          const page = await session.client.list<CorrectionPage['items'][number]>(
            '/corrections',
            filter,
            limit,
          );
          const { phrase } = session;
          session.answer(page, ({ items }) =>
            table(
              items,
              [
                { title: phrase('at'), cell: (entry) => instant(entry.at), gives: 0 },
                { title: phrase('id'), cell: (entry) => entry.id, gives: 0 },
                {
                  title: phrase('table'),
                  cell: (entry) => oneLine(`${entry.table}  ${entry.platform ?? ''}`.trimEnd()),
                },
                { title: phrase('period'), cell: (entry) => entry.period, gives: 0 },
                { title: phrase('by'), cell: (entry) => oneLine(entry.actor) },
                { title: phrase('reason'), cell: (entry) => oneLine(entry.reason), gives: 2 },
              ],
              session,
            ),
          );
          return undefined;
        },
      ),
    );
  correction
    .command('plan <correction>')
    .description(help('correction_plan'))
    .addOption(new Option('--running <rule>', help('running')).choices(['wait', 'supersede']).default('wait'))
    .option('--keep-waives', help('keep_waives'))
    .action(
      tree.does<{ running: string; keepWaives?: boolean }>(
        async (session, [id], { running, keepWaives = false }) => {
          const plan = await session.client.post<Plan>(`/corrections/${part(id!)}/rerun-plans`, {
            running,
            keepWaives,
          });
          session.answer(plan, (entry) => madePlanLines(entry, session));
          return undefined;
        },
      ),
    );
  correction
    .command('show <correction>')
    .description(help('correction_show'))
    .action(
      tree.does(async (session, [id]) => {
        const answer = await session.client.get<CorrectionAnswer>(`/corrections/${part(id!)}`);
        session.answer(answer, (entry) => answerLines(entry, session));
        return undefined;
      }),
    );
}

/** Maximum number of names in one line; --json gives all. */
const NAMES = 20;

function answerLines(it: CorrectionAnswer, session: Session): string[] {
  const { phrase, paint, lang, columns } = session;
  const where = it.platform === null ? '' : ` (${it.platform})`;
  const lines = [
    `${paint('bold', it.id)}  ${oneLine(`${it.table}${where}`)}  ${it.period}  ${instant(it.at)}  ${oneLine(it.actor)}: ${oneLine(it.reason)}`,
    phrase(`correction_${it.outcome}`, { table: it.table, period: it.period }),
  ];
  for (const { run, redo, waiting, spared } of it.runs) {
    lines.push(
      '',
      `${paint('bold', run)}  ${phrase('to_redo', { n: redo.length })}`,
      ...table(
        redo,
        [
          { title: phrase('flow'), cell: (row) => `${row.reader ? '* ' : '  '}${row.flow}` },
          { title: phrase('name'), cell: (row) => oneLine(row.names[lang]), gives: 2 },
          {
            title: phrase('state'),
            cell: (row) => stateText(row.state, lang),
            paint: (text, row) => paint(stateColour(row.state), text),
            gives: 0,
          },
          { title: phrase('key'), cell: (row) => (row.key ? phrase('key') : '') },
        ],
        { columns, paint },
      ).map((line) => `  ${line}`),
      `  ${paint('dim', `* ${phrase('reads_it', { table: it.table })}`)}`,
    );
    if (waiting.length > 0) lines.push(`  ${phrase('waits_for_redone')}: ${firstNames(waiting, NAMES)}`);
    if (spared.length > 0)
      lines.push(paint('cyan', `  ${phrase('untouched')}: ${firstNames(spared, NAMES)}`));
  }
  if (it.runs.length > 0) lines.push('', paint('dim', phrase('correction_next', { id: it.id })));
  for (const { run, code, command } of it.leftOut)
    lines.push(
      paint('yellow', `${phrase('left_out')}: ${run} ${code}${command === null ? '' : `  ${command}`}`),
    );
  if (it.writers.length > 0)
    lines.push(`${phrase('writes_it', { table: it.table })}: ${firstNames(it.writers, NAMES)}`);
  if (it.mayRead.length > 0)
    lines.push(
      paint('yellow', `${phrase('may_read', { table: it.table })}: ${firstNames(it.mayRead, NAMES)}`),
    );
  return lines;
}

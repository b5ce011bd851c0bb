/** `sluice backfill open|list|show|cancel`. */
import { Option } from 'commander';
import type { Backfill, BackfillDetail, BackfillPreview } from '../../contract/backfills.ts';
import { part } from '../client.ts';
import type { Session } from '../session.ts';
import { instant } from '../text/instant.ts';
import { firstNames } from '../text/list.ts';
import { table } from '../text/table.ts';
import { oneLine } from '../text/width.ts';
import { type Tree, wholeNumber } from '../tree.ts';
import { cycleOf } from './run.ts';

interface OpenOptions {
  readonly cycle?: string;
  readonly flow?: string[];
  readonly only?: boolean;
  readonly dependants?: boolean;
  readonly beforeBeginning?: boolean;
  readonly everyPeriod?: boolean;
  readonly order?: string;
  readonly concurrency?: number;
  readonly reason?: string;
  readonly dryRun?: boolean;
  readonly key?: string;
  readonly yes?: boolean;
}

export function addBackfillCommands(tree: Tree): void {
  const { root, help } = tree;
  const backfill = root.command('backfill').description(help('backfill'));
  backfill
    .command('open <from> <to>')
    .description(help('backfill_open'))
    .addOption(new Option('--cycle <cycle>', help('cycle')).choices(['hour', 'day', 'month']))
    .option('--flow <id...>', help('backfill_flows'))
    .option('--only', help('backfill_only'))
    .option('--dependants', help('backfill_dependants'))
    .option('--before-beginning', help('backfill_before_beginning'))
    .option('--every-period', help('backfill_every_period'))
    .option('--yes', help('yes_far'))
    .addOption(new Option('--order <order>', help('backfill_order')).choices(['ascending', 'descending']))
    .option('--concurrency <n>', help('backfill_concurrency'), wholeNumber(1))
    .option('--reason <text>', help('reason'))
    .option('--dry-run', help('dry_run'))
    .option('--key <key>', help('key'))
    .action(
      tree.does<OpenOptions>(async (session, [from, to], given) => {
        const { cycle, period } = cycleOf(from!, given.cycle);
        const { flow, only, key, dryRun, yes, ...rest } = given;
        const body = {
          ...rest,
          cycle,
          from: period,
          to: cycleOf(to!, cycle).period,
          ...(flow === undefined ? {} : { flows: flow.flatMap((entry) => entry.split(',')) }),
          ...(only ? { downstream: false } : {}),
          ...(yes ? { far: true } : {}),
          ...(dryRun ? { dryRun } : {}),
        };
        if (dryRun) {
          const preview = await session.client.post<BackfillPreview>('/backfills', body, key);
          session.answer(preview, (entry) => previewLines(entry, session));
          return undefined;
        }
        const opened = await session.client.post<BackfillDetail>('/backfills', body, key);
        session.answer(opened, (entry) => backfillLines(entry, session));
        return undefined;
      }),
    );
  backfill
    .command('list')
    .description(help('backfill_list'))
    .addOption(
      new Option('--state <state>', help('backfill_state')).choices(['open', 'finished', 'cancelled']),
    )
    .option('--limit <n>', help('limit'), wholeNumber(1), 50)
    .action(
      tree.does<{ state?: string; limit: number }>(async (session, _args, { state, limit }) => {
        const page = await session.client.list<Backfill>('/backfills', { state }, limit);
        session.answer(page, ({ items }) => backfillTable(items, session));
        return undefined;
      }),
    );
  backfill
    .command('show <backfill>')
    .description(help('backfill_show'))
    .action(
      tree.does(async (session, [id]) => {
        const answer = await session.client.get<BackfillDetail>(`/backfills/${part(id!)}`);
        session.answer(answer, (entry) => backfillLines(entry, session));
        return undefined;
      }),
    );
  backfill
    .command('cancel <backfill>')
    .description(help('backfill_cancel'))
    .option('--reason <text>', help('reason'))
    .action(
      tree.does<{ reason?: string }>(async (session, [id], { reason }) => {
        const body = reason === undefined ? {} : { reason };
        const answer = await session.client.post<BackfillDetail>(`/backfills/${part(id!)}/cancel`, body);
        session.answer(answer, (entry) => backfillLines(entry, session));
        return undefined;
      }),
    );
}

function backfillTable(backfills: readonly Backfill[], { phrase, paint, columns }: Session): string[] {
  return table(
    backfills,
    [
      { title: phrase('backfill'), cell: (entry) => oneLine(entry.id), gives: 0 },
      { title: phrase('periods'), cell: (entry) => `${entry.from} - ${entry.to}`, gives: 0 },
      { title: phrase('state'), cell: (entry) => phrase(`backfill_${entry.state}`), gives: 0 },
      {
        title: phrase('finished'),
        cell: ({ progress }) => `${progress.finished}/${progress.runs}`,
        align: 'right',
        gives: 0,
      },
      {
        title: phrase('failing'),
        cell: ({ progress }) => String(progress.failing),
        align: 'right',
        gives: 0,
      },
      { title: phrase('flows'), cell: (entry) => entry.flows?.join(' ') ?? phrase('all'), gives: 2 },
      { title: phrase('by'), cell: (entry) => oneLine(entry.actor) },
      { title: phrase('reason'), cell: (entry) => oneLine(entry.reason), gives: 2 },
    ],
    { columns, paint },
  );
}

function backfillLines(it: BackfillDetail, session: Session): string[] {
  const { phrase, paint } = session;
  return [
    ...backfillTable([it], session),
    ...(it.trouble === null ? [] : [paint('red', oneLine(it.trouble))]),
    ...it.runs.map(({ run, state, failed, openedAt, includes }) => {
      const failing = failed === 0 ? '' : paint('red', `  ${phrase('failing')} ${failed}`);
      return `  ${run}  ${phrase(`backfill_${state}`)}  ${instant(openedAt)}${failing}${flowsOf(includes, phrase)}`;
    }),
  ];
}

/** The flows of a run that is opened for other flows than the backfill's; empty for every other run. */
const flowsOf = (includes: readonly string[] | null, phrase: Session['phrase']): string =>
  includes === null ? '' : `  ${phrase('backfill_dependant_run', { flows: firstNames(includes, NAMES) })}`;

/** Flows and periods that a line names at most; --json gives all. */
const NAMES = 10;

function previewLines(it: BackfillPreview, { phrase }: Session): string[] {
  return [
    phrase('backfill_preview', { runs: it.runs.length, n: it.concurrency }),
    ...(it.leftOut.length === 0
      ? []
      : [phrase('backfill_left_out', { n: it.leftOut.length, periods: firstNames(it.leftOut, NAMES) })]),
    ...(it.includes === null
      ? []
      : [phrase('backfill_includes', { n: it.includes.length, flows: firstNames(it.includes, NAMES) })]),
    ...it.runs.map(
      ({ run, scheduled, includes }) =>
        `  ${run}${scheduled === null ? '' : `  (${scheduled})`}${flowsOf(includes, phrase)}`,
    ),
    ...it.dependants.map(({ cycle, flow }) => phrase('backfill_dependant', { cycle, flow })),
  ];
}

/** `sluice run open|list|show|watch|pause|resume|close|reopen|reload`; `adopt` has a file of its own. */
import { Option } from 'commander';
import type { Run, RunDetail } from '../../contract/runs.ts';
import { ofRun, runOf, type Session } from '../session.ts';
import type { HelpKey } from '../text/help.ts';
import { duration, instant } from '../text/instant.ts';
import { STATES, stateColour, stateText } from '../text/states.ts';
import { table } from '../text/table.ts';
import { oneLine } from '../text/width.ts';
import { seconds, type Tree, wholeNumber } from '../tree.ts';
import { addAdoptCommand } from './adopt.ts';
import { askVerb } from './verb-commands.ts';
import { watchRun } from './watch.ts';

interface OpenOptions {
  readonly cycle?: string;
  readonly purpose: string;
  readonly procedure?: string[];
  readonly key?: string;
  readonly yes?: boolean;
}

export function addRunCommands(tree: Tree): void {
  const { root, help } = tree;
  const run = root.command('run').description(help('run'));

  run
    .command('open <period>')
    .description(help('run_open'))
    .addOption(new Option('--cycle <cycle>', help('cycle')).choices(['hour', 'day', 'month']))
    .addOption(
      new Option('--purpose <purpose>', help('purpose'))
        .choices(['scheduled', 'backfill', 'rehearsal'])
        .default('scheduled'),
    )
    .option('--procedure <id...>', help('procedures'))
    .option('--yes', help('yes_far'))
    .option('--key <key>', help('key'))
    .action(
      tree.does<OpenOptions>(async (session, [given], options) => {
        const { cycle, period } = cycleOf(given!, options.cycle);
        const procedures = options.procedure?.flatMap((entry) => entry.split(','));
        const body = {
          cycle,
          period,
          purpose: options.purpose,
          ...(procedures === undefined ? {} : { procedures }),
          ...(options.yes ? { far: true } : {}),
        };
        const opened = await session.client.post<RunDetail>('/runs', body, options.key);
        session.answer(opened, (entry) => [
          session.phrase('run_opened', { run: entry.id, flows: entry.flows }),
        ]);
        return undefined;
      }),
    );

  run
    .command('list')
    .description(help('run_list'))
    .addOption(new Option('--state <state>', help('run_state')).choices(['open', 'closed']))
    .addOption(new Option('--cycle <cycle>', help('cycle')).choices(['hour', 'day', 'month']))
    .option('--purpose <purpose>', help('purpose_filter'))
    .option('--period <period>', help('period_filter'))
    .option('--limit <n>', help('limit'), wholeNumber(1), 50)
    .action(
      tree.does<{ limit: number } & Record<'state' | 'cycle' | 'purpose' | 'period', string | undefined>>(
        async (session, _args, { limit, state, cycle, purpose, period }) => {
          const page = await session.client.list<Run>('/runs', { state, cycle, purpose, period }, limit);
          session.answer(page, ({ items }) => runTable(items, session));
          return undefined;
        },
      ),
    );

  run
    .command('show [run]')
    .description(help('run_show'))
    .action(
      tree.does(async (session, [given]) => {
        const id = await runOf(session, given);
        session.answer(await session.client.get<RunDetail>(ofRun(id)), (entry) => runLines(entry, session));
        return undefined;
      }),
    );

  run
    .command('watch [run]')
    .description(help('run_watch'))
    .option('--timeout <seconds>', help('watch_timeout'), seconds)
    .action(
      tree.does<{ timeout?: number }>(async (session, [given], { timeout }) =>
        watchRun(session, await runOf(session, given), timeout),
      ),
    );

  for (const verb of ['pause', 'resume', 'close', 'reopen'] as const)
    run
      .command(`${verb} [run]`)
      .description(help(`run_${verb}` as HelpKey))
      .option('--reason <text>', help('reason'))
      .option('--dry-run', help('dry_run'))
      .option('--key <key>', help('key'))
      .option('--timeout <seconds>', help('timeout'), seconds)
      .action(
        tree.does<{ reason?: string; dryRun?: boolean; key?: string; timeout?: number }>(
          async (session, [given], options) => {
            // A closed run is no open one: which to reopen must be said.
            if (verb === 'reopen' && given === undefined) run.error("error: 'reopen' needs the run");
            const id = await runOf(session, given);
            const body = {
              ...(options.reason === undefined ? {} : { reason: options.reason }),
              ...(options.dryRun ? { dryRun: true } : {}),
            };
            return askVerb(session, ofRun(id, `/${verb}`), body, options);
          },
        ),
      );

  addAdoptCommand(tree, run);

  run
    .command('reload <run>')
    .description(help('run_reload'))
    .option('--reason <text>', help('reason'))
    .option('--dry-run', help('dry_run'))
    .action(
      tree.does<{ reason?: string; dryRun?: true }>(async (session, [id], body) => {
        const detail = await session.client.post<RunDetail>(ofRun(id!, '/reload'), body);
        session.answer(detail, (entry) => runLines(entry, session));
        return undefined;
      }),
    );
}

/** `2026-10` is a month, `2026-11-22` a day, `2026112208` an hour; so is a run id of the first shape, `month-2026-10`. */
export function cycleOf(given: string, cycle: string | undefined): { cycle: string; period: string } {
  const named = /^(month|day|hour)-(.+)$/.exec(given);
  if (named !== null) return { cycle: cycle ?? named[1]!, period: named[2]! };
  const cycleOfFormat = /^\d{4}-\d{2}$/.test(given)
    ? 'month'
    : /^\d{4}-\d{2}-\d{2}$/.test(given)
      ? 'day'
      : 'hour';
  return { cycle: cycle ?? cycleOfFormat, period: given };
}

function runTable(runs: readonly Run[], session: Session): string[] {
  const { phrase } = session;
  return table(
    runs,
    [
      { title: phrase('run'), cell: (entry) => entry.id, gives: 0 },
      { title: phrase('state'), cell: (entry) => runState(entry, session) },
      { title: phrase('opened'), cell: (entry) => instant(entry.openedAt), gives: 2 },
      { title: phrase('finished'), cell: (entry) => instant(entry.finishedAt), gives: 2 },
      { title: phrase('by'), cell: (entry) => oneLine(entry.openedBy) },
      { title: phrase('version'), cell: (entry) => String(entry.catalogueVersion), align: 'right' },
      {
        title: phrase('procedures'),
        cell: (entry) => entry.procedures?.join(' ') ?? phrase('all'),
        gives: 2,
      },
    ],
    session,
  );
}

function runState(it: Run, { phrase }: Session): string {
  if (it.frozen !== null) return phrase('run_frozen');
  if (it.state === 'closed') return phrase('run_closed');
  if (it.paused) return phrase('run_paused');
  return it.finishedAt === null ? phrase('run_open') : phrase('run_finished');
}

export function runLines(it: RunDetail, session: Session): string[] {
  const { phrase, paint, lang } = session;
  const took = it.finishedAt === null ? '' : ` (${duration(it.finishedAt - it.openedAt)})`;
  const lines = [
    `${paint('bold', it.id)}  ${runState(it, session)}`,
    `  ${phrase('opened')}: ${instant(it.openedAt)}  ${phrase('by')} ${oneLine(it.openedBy)}  ${phrase('version')} ${it.catalogueVersion}`,
  ];
  if (it.finishedAt !== null) lines.push(`  ${phrase('finished')}: ${instant(it.finishedAt)}${took}`);
  if (it.frozen !== null) lines.push(`  ${paint('red', `${phrase('run_frozen')}: ${oneLine(it.frozen)}`)}`);
  if (it.procedures !== null) lines.push(`  ${phrase('procedures')}: ${it.procedures.join(' ')}`);
  lines.push(`  ${phrase('flows')}: ${it.flows}`);
  const counts = it.counts as Readonly<Record<string, number>>;
  for (const state of Object.keys(STATES)) {
    const count = counts[state] ?? 0;
    if (count > 0)
      lines.push(`  ${String(count).padStart(6)}  ${paint(stateColour(state), stateText(state, lang))}`);
  }
  const beside = [
    [it.tainted, phrase('tainted')],
    [it.stale, phrase('stale')],
    [it.held, phrase('held')],
  ].filter(([count]) => count !== 0);
  if (beside.length > 0) lines.push(`  ${beside.map(([count, word]) => `${word}: ${count}`).join('  ')}`);
  return lines;
}

/** The verbs for flows and edges: all alike, `sluice force-pass FLOW... --run R --reason ...` is `POST /runs/R/force-pass`. */
import { Option } from 'commander';
import type { Operation, OperationPreview } from '../../contract/operations.ts';
import { ofRun, runOf, type Session } from '../session.ts';
import type { HelpKey } from '../text/help.ts';
import { operationLines, previewLines } from '../text/operation.ts';
import { seconds, type Tree } from '../tree.ts';

interface VerbOptions {
  readonly run?: string;
  readonly reason?: string;
  readonly evidence?: string;
  readonly partial?: boolean;
  readonly dryRun?: boolean;
  readonly supersede?: boolean;
  readonly forceEnd?: boolean;
  readonly alsoRun?: readonly string[];
  readonly upstreamRun?: string;
  readonly upstreamPeriod?: string;
  readonly ran?: boolean;
  readonly didNotRun?: boolean;
  readonly key?: string;
  readonly timeout?: number;
}

const FLOW_VERBS = [
  'force-pass',
  'skip',
  'unskip',
  'start-now',
  'trigger',
  'hold',
  'unhold',
  'expedite',
  'cancel',
  'confirm',
  'reject',
  'withdraw',
  'resolve',
  'retire',
  'unretire',
] as const;
const EDGE_VERBS = ['waive', 'unwaive'] as const;

export function addVerbCommands(tree: Tree): void {
  const { root, help } = tree;
  for (const verb of FLOW_VERBS) {
    const command = root
      .command(`${verb} <flow...>`)
      .summary(help(`verb_${verb}` as HelpKey))
      .description(help(`verb_${verb}` as HelpKey));
    addAsking(tree, command);
    command.option('--partial', help('partial'));
    if (verb === 'force-pass')
      command.option('--supersede', help('supersede')).option('--also-run <run...>', help('also_run'));
    if (verb === 'cancel') command.option('--force-end', help('force_end'));
    if (verb === 'resolve')
      command
        .addOption(new Option('--ran', help('ran')).conflicts('didNotRun'))
        .addOption(new Option('--did-not-run', help('did_not_run')));
    command.action(
      tree.does<VerbOptions>(async (session, flows, options) => {
        if (verb === 'resolve' && options.ran !== true && options.didNotRun !== true)
          command.error("error: 'resolve' needs --ran or --did-not-run");
        const body = {
          flows: [...new Set(flows)],
          ...asked(options),
          ...(options.partial ? { partial: true } : {}),
          ...(options.supersede ? { supersede: true } : {}),
          ...(options.forceEnd ? { forceEnd: true } : {}),
          ...(options.alsoRun === undefined ? {} : { otherRuns: alsoIn(options.alsoRun, flows) }),
          ...(verb === 'resolve' ? { ran: options.ran === true } : {}),
        };
        return askRun(session, verb, body, options);
      }),
    );
  }
  for (const verb of EDGE_VERBS) {
    const command = root
      .command(`${verb} <from> <to>`)
      .summary(help(`verb_${verb}`))
      .description(help(`verb_${verb}`));
    addAsking(tree, command);
    command
      .addOption(new Option('--upstream-run <run>', help('upstream_run')).conflicts('upstreamPeriod'))
      .option('--upstream-period <period>', help('upstream_period'));
    command.action(
      tree.does<VerbOptions>(async (session, [from, to], options) =>
        askRun(session, verb, { edges: [{ from, to, ...upstreamOf(options) }], ...asked(options) }, options),
      ),
    );
  }
}

/** The same flows in other runs. */
const alsoIn = (runs: readonly string[], flows: readonly string[]): { run: string; flows: string[] }[] =>
  [...new Set(runs)].map((run) => ({ run, flows: [...new Set(flows)] }));

const upstreamOf = ({ upstreamRun, upstreamPeriod }: VerbOptions): Record<string, string> => ({
  ...(upstreamRun === undefined ? {} : { run: upstreamRun }),
  ...(upstreamPeriod === undefined ? {} : { period: upstreamPeriod }),
});

type AnyCommand = Tree['root'];

/** Options of every request to a run. */
export function addAsking({ help }: Tree, command: AnyCommand): void {
  command
    .option('--run <run>', help('run_option'))
    .option('--reason <text>', help('reason'))
    .option('--evidence <text>', help('evidence'))
    .option('--dry-run', help('dry_run'))
    .option('--key <key>', help('key'))
    .option('--timeout <seconds>', help('timeout'), seconds);
}

export const asked = (options: VerbOptions): Record<string, unknown> => ({
  ...(options.reason === undefined ? {} : { reason: options.reason }),
  ...(options.evidence === undefined ? {} : { evidence: options.evidence }),
  ...(options.dryRun ? { dryRun: true } : {}),
});

async function askRun(session: Session, verb: string, body: unknown, options: VerbOptions): Promise<number> {
  const run = await runOf(session, options.run);
  return askVerb(session, ofRun(run, `/${verb}`), body, options);
}

/** Posts a verb, waits for its outcome and prints it. Returns 7 when a second person must approve, 5 when a dry run would be refused. */
export async function askVerb(
  session: Session,
  path: string,
  body: unknown,
  options: { readonly dryRun?: boolean; readonly key?: string; readonly timeout?: number },
): Promise<number> {
  if (options.dryRun) {
    const preview = await session.client.post<OperationPreview>(path, body);
    session.answer(preview, (entry) => previewLines(entry, session));
    return { applied: 0, refused: 5, approval_required: 7 }[preview.state];
  }
  const operation = await session.client.operate(path, body, {
    ...(options.key === undefined ? {} : { key: options.key }),
    ...(options.timeout === undefined ? {} : { waitMs: options.timeout }),
  });
  return showOperation(session, operation);
}

export function showOperation(session: Session, operation: Operation): number {
  session.answer(operation, (entry) => operationLines(entry, session));
  return operation.state === 'approval_required' ? 7 : operation.state === 'refused' ? 5 : 0;
}

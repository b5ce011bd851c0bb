/** `sluice rerun FLOW... --scope downstream`: shows the plan; `--apply` carries it out. */
import { Option } from 'commander';
import type { Plan } from '../../contract/rerun-plans.ts';
import { part } from '../client.ts';
import { ofRun, runOf, type Session } from '../session.ts';
import { madePlanLines, planLines } from '../text/rerun-plan.ts';
import { seconds, type Tree } from '../tree.ts';
import { showOperation } from './verb-commands.ts';

interface RerunOptions {
  readonly run?: string;
  readonly scope: string;
  readonly running: string;
  readonly keepWaives?: boolean;
  readonly thisRunOnly?: boolean;
  readonly plan?: string;
  readonly apply?: boolean;
  readonly reason?: string;
  readonly key?: string;
  readonly timeout?: number;
}

export function addRerunCommand(tree: Tree): void {
  const { root, help } = tree;
  const command = root
    .command('rerun [flow...]')
    .description(help('rerun'))
    .option('--run <run>', help('run_option'))
    .addOption(
      new Option('--scope <scope>', help('scope'))
        .choices(['only', 'downstream', 'failed-downstream', 'selection'])
        .default('downstream'),
    )
    .addOption(new Option('--running <rule>', help('running')).choices(['wait', 'supersede']).default('wait'))
    .option('--keep-waives', help('keep_waives'))
    .option('--this-run-only', help('this_run_only'))
    .addOption(new Option('--plan <id>', help('plan')).conflicts('keepWaives'))
    .option('--apply', help('apply'))
    .option('--reason <text>', help('reason'))
    .option('--key <key>', help('key'))
    .option('--timeout <seconds>', help('timeout'), seconds);
  command.action(
    tree.does<RerunOptions>(async (session, flows, options) => {
      if ((flows.length === 0) === (options.plan === undefined))
        command.error('error: give flows, or an existing plan with --plan');
      const run = await runOf(session, options.run);
      const plan = await planOf(session, run, flows, options);
      if (!options.apply) {
        session.answer(plan, (entry) => madePlanLines(entry, session));
        return undefined;
      }
      for (const line of planLines(plan, { ...session, paint: session.paintMessage })) session.say(line);
      const path = ofRun(run, `/rerun-plans/${part(plan.id)}/apply`);
      const operation = await session.client.operate(
        path,
        { reason: options.reason ?? '' },
        {
          // The same plan applied twice by the same person is one application.
          key: options.key ?? `rerun-plan:${plan.id}`,
          ...(options.timeout === undefined ? {} : { waitMs: options.timeout }),
        },
      );
      return showOperation(session, operation);
    }),
  );
}

function planOf(
  session: Session,
  run: string,
  flows: readonly string[],
  options: RerunOptions,
): Promise<Plan> {
  if (options.plan !== undefined) return session.client.get(ofRun(run, `/rerun-plans/${part(options.plan)}`));
  const { scope, running, keepWaives = false, thisRunOnly = false } = options;
  return session.client.post(ofRun(run, '/rerun-plans'), {
    flows: [...new Set(flows)],
    scope,
    running,
    keepWaives,
    otherRuns: !thisRunOnly,
  });
}

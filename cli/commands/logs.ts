/** `sluice logs FLOW [--attempt N] [-f]`: what an attempt wrote, also while it runs. */
import type { Attempt, FlowDetail } from '../../api/schemas/flows.ts';
import { SluiceError } from '../../errors.ts';
import { part } from '../client.ts';
import { ofRun, runOf } from '../session.ts';
import { harmless } from '../text/width.ts';
import { type Tree, wholeNumber } from '../tree.ts';

export function addLogsCommand(tree: Tree): void {
  const { root, help } = tree;
  root
    .command('logs <flow>')
    .description(help('logs'))
    .option('--run <run>', help('run_option'))
    .option('--attempt <n>', help('attempt'), wholeNumber(1))
    .option('-f, --follow', help('follow'))
    .action(
      tree.does<{ run?: string; attempt?: number; follow?: boolean }>(async (session, [flow], options) => {
        const run = await runOf(session, options.run);
        const path = ofRun(run, `/flows/${part(flow!)}`);
        const n = options.attempt ?? (await lastAttempt(session.client.get<FlowDetail>(path), flow!));
        if (options.attempt === undefined)
          session.say(session.paintTalk('dim', session.phrase('attempt_chosen', { n })));
        let text = '';
        let last = '';
        for await (const chunk of session.client.text(
          `${path}/attempts/${n}/log`,
          options.follow ? { follow: true } : {},
        )) {
          if (session.json) text += chunk;
          else {
            // A control sequence may be cut in two by a chunk, never by a line.
            const cut = (last + chunk).lastIndexOf('\n') + 1;
            const whole = (last + chunk).slice(0, cut);
            last = (last + chunk).slice(cut);
            session.out.write(harmless(whole));
          }
        }
        if (session.json) session.out.write(`${JSON.stringify({ run, flow, attempt: n, text }, null, 2)}\n`);
        else if (last !== '') session.line(harmless(last));
        return undefined;
      }),
    );
}

async function lastAttempt(asked: Promise<FlowDetail>, flow: string): Promise<number> {
  const { attempts, run } = await asked;
  const last = attempts.reduce<Attempt | null>((a, b) => (a === null || b.n > a.n ? b : a), null);
  if (last === null)
    throw new SluiceError('unknown_attempt', `${flow} was not tried yet in ${run}`, { facts: { run, flow } });
  return last.n;
}

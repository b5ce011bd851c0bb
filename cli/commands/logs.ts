/** `sluice logs FLOW [--attempt N] [-f] [--raw]`: an attempt's log, also while it runs. */
import type { Attempt, FlowDetail, LogFrame } from '../../contract/flows.ts';
import { SluiceError } from '../../errors.ts';
import { part } from '../client.ts';
import { ofRun, runOf, type Session } from '../session.ts';
import { harmless } from '../text/width.ts';
import { type Tree, wholeNumber } from '../tree.ts';

interface Options {
  readonly run?: string;
  readonly attempt?: number;
  readonly follow?: boolean;
  readonly raw?: boolean;
}

export function addLogsCommand(tree: Tree): void {
  const { root, help } = tree;
  root
    .command('logs <flow>')
    .description(help('logs'))
    .option('--run <run>', help('run_option'))
    .option('--attempt <n>', help('attempt'), wholeNumber(1))
    .option('-f, --follow', help('follow'))
    .option('--raw', help('raw_log'))
    .action(
      tree.does<Options>(async (session, [flow], options) => {
        if (options.raw && session.json)
          throw new SluiceError(
            'invalid_request',
            '--raw gives bytes, which JSON cannot hold: leave one of the two',
          );
        const run = await runOf(session, options.run);
        const path = ofRun(run, `/flows/${part(flow!)}`);
        const n = options.attempt ?? (await lastAttempt(session.client.get<FlowDetail>(path), flow!));
        if (options.attempt === undefined)
          session.say(session.paintMessage('dim', session.phrase('attempt_chosen', { n })));
        const frames = session.client.log(`${path}/attempts/${n}/log`, {
          ...(options.follow ? { follow: true } : {}),
          ...(options.raw ? { raw: true } : {}),
        });
        if (session.json)
          session.out.write(
            `${JSON.stringify({ run, flow, attempt: n, ...(await whole(frames)) }, null, 2)}\n`,
          );
        else if (options.raw) await writeBytes(frames, session);
        else await writeLines(frames, session);
        return undefined;
      }),
    );
}

async function whole(frames: AsyncIterable<LogFrame>): Promise<object> {
  let [text, leftOutBytes, encoding] = ['', 0, 'utf-8'];
  for await (const frame of frames) {
    text += frame.text ?? '';
    leftOutBytes += frame.leftOut ?? 0;
    encoding = frame.encoding ?? encoding;
  }
  return { text, encoding, leftOutBytes };
}

/** Writes the bytes unchanged to stdout; messages name the missing ones. */
async function writeBytes(frames: AsyncIterable<LogFrame>, session: Session): Promise<void> {
  for await (const { data, from, leftOut } of frames) {
    if (data !== undefined) session.out.write(Buffer.from(data, 'base64'));
    else if (leftOut !== undefined) session.say(session.phrase('bytes_left_out_at', { n: leftOut, from }));
  }
}

async function writeLines(frames: AsyncIterable<LogFrame>, session: Session): Promise<void> {
  let last = '';
  const endLine = (): void => {
    if (last !== '') session.line(harmless(last));
    last = '';
  };
  for await (const { text, leftOut } of frames) {
    if (leftOut !== undefined) {
      endLine();
      session.line(session.paint('dim', `-- ${session.phrase('bytes_left_out', { n: leftOut })} --`));
      continue;
    }
    // A control sequence may be cut in two by a piece, never by a line.
    const all = last + (text ?? '');
    const cut = all.lastIndexOf('\n') + 1;
    last = all.slice(cut);
    session.out.write(harmless(all.slice(0, cut)));
  }
  endLine();
}

async function lastAttempt(asked: Promise<FlowDetail>, flow: string): Promise<number> {
  const { attempts, run } = await asked;
  const last = attempts.reduce<Attempt | null>((a, b) => (a === null || b.n > a.n ? b : a), null);
  if (last === null)
    throw new SluiceError('unknown_attempt', `${flow} was not tried yet in ${run}`, { facts: { run, flow } });
  return last.n;
}

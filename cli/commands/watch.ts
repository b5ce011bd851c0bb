/** `sluice run watch`: a live table on a terminal, a line for each change elsewhere, the API's events with `--json`. */
import type { Flow } from '../../contract/flows.ts';
import { SluiceError } from '../../errors.ts';
import { followRun, type Sight } from '../follow.ts';
import type { Session } from '../session.ts';
import { duration, time } from '../text/instant.ts';
import { firstLines } from '../text/list.ts';
import { LiveBlock } from '../text/live.ts';
import { progressBar } from '../text/progress.ts';
import { flagText, STATES, stateColour, stateText, stateWord } from '../text/states.ts';
import { oneLine, truncate } from '../text/width.ts';

/** Until the run is finished or closed: 0. Throws `timed_out` after `timeoutMs` and `interrupted` at Ctrl-C. */
export async function watchRun(
  session: Session,
  run: string,
  timeoutMs: number | undefined,
): Promise<number> {
  const timeout = timeoutMs === undefined ? null : AbortSignal.timeout(timeoutMs);
  const signal = timeout === null ? session.signal : AbortSignal.any([session.signal, timeout]);
  try {
    if (session.json) return await watchEvents(session, run, signal);
    return await watchSights(session, run, signal);
  } catch (error) {
    if (timeout?.aborted && !session.signal.aborted) throw timedOut(run, timeoutMs!);
    throw error;
  }
}

const timedOut = (run: string, ms: number): SluiceError =>
  new SluiceError('timed_out', `${run} was not finished within ${ms / 1_000} s`, {
    facts: { run, timeoutMs: ms },
  });

/** One JSON object a line: each look at the run that differs from the one before. */
async function watchEvents(session: Session, run: string, signal: AbortSignal): Promise<number> {
  let before = '';
  for await (const sight of followRun(session.client, run, { signal })) {
    const { now: _now, log: _log, ...shown } = sight.run;
    const text = JSON.stringify(shown);
    if (text !== before) session.out.write(`${JSON.stringify(sight.run)}\n`);
    before = text;
    if (isOver(sight)) return 0;
  }
  throw ended(session, run);
}

async function watchSights(session: Session, run: string, signal: AbortSignal): Promise<number> {
  const live = session.out.isTTY === true ? new LiveBlock(session.out) : null;
  const known = new Map<string, string>();
  let first = true;
  try {
    for await (const sight of followRun(session.client, run, { signal })) {
      const changes = sight.flows.filter((flow) => known.get(flow.id) !== look(flow));
      for (const flow of changes) known.set(flow.id, look(flow));
      if (live !== null) {
        live.show(
          liveLines(sight, session),
          first ? [] : changes.map((flow) => changeLine(flow, sight, session)),
        );
      } else if (first) session.line(headLine(sight, session));
      else for (const flow of changes) session.line(changeLine(flow, sight, session));
      first = false;
      if (isOver(sight)) {
        live?.end();
        if (live === null) session.line(headLine(sight, session));
        return 0;
      }
    }
  } finally {
    live?.end();
  }
  throw ended(session, run);
}

const isOver = ({ run }: Sight): boolean => run.finishedAt !== null || run.state === 'closed';

function ended(_session: Session, run: string): SluiceError {
  return new SluiceError('interrupted', `no longer watching ${run}; the run itself goes on`);
}

const look = (flow: Flow): string => `${flow.state} ${flow.generation}.${flow.attempt} ${flow.flags.join()}`;

function headLine({ run }: Sight, { lang }: Session): string {
  const counts = run.counts as Readonly<Record<string, number>>;
  const shown = Object.keys(STATES).filter((state) => (counts[state] ?? 0) > 0);
  return `${time(run.now)} ${run.id}  ${shown.map((state) => `${stateWord(state, lang)} ${counts[state]}`).join('  ')}`;
}

function changeLine(flow: Flow, { run }: Sight, { lang, paint }: Session): string {
  const flags = flow.flags.map((flag) => flagText(flag, lang)).join(' ');
  const generation =
    flow.generation === 1 && flow.attempt === 1 ? '' : `  ${flow.generation}.${flow.attempt}`;
  const at = flow.resultAt ?? flow.startedAt ?? flow.sentAt ?? run.now;
  return `${time(at)} ${paint(stateColour(flow.state), stateText(flow.state, lang))}  ${flow.id}${generation}${flags === '' ? '' : `  ${flags}`}`;
}

/** Maximum number of flows below the bar: they fit a terminal of 24 lines. */
const LIVE_FLOWS = 12;

/** The bar, the counts, and what is in hand, failed, or waits for a person. */
function liveLines(sight: Sight, session: Session): string[] {
  const { run, flows } = sight;
  const { lang, paint, columns, phrase } = session;
  const counts = run.counts as Readonly<Record<string, number>>;
  const done = (counts.succeeded ?? 0) + (counts.skipped ?? 0) + (counts.force_passed ?? 0);
  const shown = Object.keys(STATES).filter((state) => (counts[state] ?? 0) > 0);
  const end = run.finishedAt ?? run.now;
  const lines = [
    `${paint('bold', run.id)}  ${progressBar(done, run.flows, Math.min(40, columns - 50), paint)}  ${done}/${run.flows}  ${duration(end - run.openedAt)}${run.paused ? `  ${phrase('run_paused')}` : ''}`,
    shown.map((state) => paint(stateColour(state), `${stateWord(state, lang)} ${counts[state]}`)).join('  '),
  ];
  const order = [
    'failed',
    'outcome_unknown',
    'cancelled',
    'running',
    'sent_to_agent',
    'waiting_person',
    'waiting_agent',
  ];
  const notable = flows
    .filter((flow) => order.includes(flow.state))
    .sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
  const line = (flow: Flow): string => {
    const since = flow.startedAt ?? flow.releasedAt;
    const text = `${stateText(flow.state, lang)}  ${flow.id}  ${oneLine(flow.names[lang])}${since === null ? '' : `  ${duration(run.now - since)}`}`;
    return paint(stateColour(flow.state), truncate(text, columns - 4));
  };
  return [...lines, ...firstLines(notable, LIVE_FLOWS, line, { phrase }).map((text) => `  ${text}`)];
}

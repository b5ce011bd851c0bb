/**
 * The demo: two month starts through the API alone, as people do them. Reads `<home>/cli.json` (actors) and `<home>/platforms.json` (for the
 * sample's helpers). Messages go to stderr; with `--json` one object to stdout. Exit 0 only when everything is as it should be.
 *
 * Months that were opened before are continued from their present state; finished ones are only printed (`existing: true`).
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { childEnvironment, loadConfig } from '../../config.ts';
import { SluiceError } from '../../errors.ts';
import { createClient } from '../client.ts';
import { pathLines } from '../commands/critical-path.ts';
import { problemFrom, problemLines } from '../problem.ts';
import { identityOf } from '../profile.ts';
import { painter } from '../text/colour.ts';
import { stateText } from '../text/states.ts';
import { carriedCorrections } from './carried-corrections.ts';
import { carriedThrough, type Expectation, quietRun, soundRun, troubledRun } from './expectations.ts';
import { monthBefore } from './months.ts';
import { createNarrator, type Narrator } from './narrator.ts';
import { narration } from './phrases.ts';
import { quietMonth } from './quiet-month.ts';
import { type Stage, sampleHelper } from './stage.ts';
import { type Account, accountOf, figuresOf } from './summary.ts';
import { troubledMonth } from './troubled-month.ts';

/** Maximum duration of a single wait, ms: enough on a slow machine. */
const DEADLINE_MS = 120_000;

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } });
  const { home, apiUrl, lang } = loadConfig();
  const { NO_COLOR } = childEnvironment();
  const narrator = createNarrator(process.stderr, lang, !NO_COLOR);
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupt.abort());
  // The process that started it is gone: nobody would look, and the next start goes on with the months itself.
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.exit(1);
  }, 500).unref();
  const as = (actor: string) => {
    const identity = identityOf({ home, apiUrl, token: undefined, as: actor });
    // An API that is started again takes some seconds.
    return createClient({ ...identity, lang, patienceMs: 30_000, signal: interrupt.signal });
  };
  const stage: Stage = {
    demo: as('demo'),
    admin: as('admin'),
    viewer: as('viewer'),
    narrator,
    sample: sampleHelper(join(home, 'platforms.json')),
    deadlineMs: DEADLINE_MS,
  };
  try {
    const begun = performance.now();
    const quiet = await quietMonth(stage, monthBefore(2));
    const troubled = await troubledMonth(stage, monthBefore(1), monthBefore(2));
    narrator.end();

    const [first, second] = await Promise.all([
      accountOf(stage.demo, quiet.run),
      accountOf(stage.demo, troubled.run),
    ]);
    // What was read of the months stays as it was before.
    const carried = troubled.before ? [] : await carriedCorrections(stage, troubled.run);
    const durationMs = Math.round(performance.now() - begun);
    narrator.end();
    const expectations = [
      // Nothing is expected of a run that was there before: people may have done with it what they liked.
      ...(quiet.before ? [] : [...soundRun(first), ...quietRun(first)]),
      ...(troubled.before ? [] : [...soundRun(second), ...troubledRun(second, troubled.seen)]),
      ...carriedThrough(carried, first.flows),
    ];
    const problems = expectations
      .map((expectation) => expectation.problem)
      .filter((problem) => problem !== null);
    printSummary(narrator, first, second, expectations);
    const { run: previous, states, flows } = figuresOf(first);
    const answer = {
      ...figuresOf(second),
      previous: { run: previous, flows, states },
      carried,
      existing: quiet.before && troubled.before,
      durationMs,
      checks: expectations.length,
      problems,
      ok: problems.length === 0,
    };
    if (values.json) process.stdout.write(`${JSON.stringify(answer, null, 2)}\n`);
    return answer.ok ? 0 : 1;
  } catch (error) {
    narrator.end();
    const { problem, exit } = problemFrom(error, lang);
    for (const line of problemLines(problem, lang, painter(!NO_COLOR && process.stderr.isTTY === true)))
      process.stderr.write(`${line}\n`);
    if (values.json)
      process.stdout.write(
        `${JSON.stringify({ ok: false, problems: [`${problem.code}: ${problem.detail}`] }, null, 2)}\n`,
      );
    return error instanceof SluiceError && error.code === 'interrupted' ? 130 : exit;
  }
}

function printSummary(
  narrator: Narrator,
  first: Account,
  second: Account,
  expectations: readonly Expectation[],
): void {
  const { lang, paint } = narrator;
  const words = narration(lang);
  for (const account of [first, second]) {
    const it = figuresOf(account);
    const states = Object.entries(it.states).map(([state, count]) => `${stateText(state, lang)} ${count}`);
    const list = (ids: readonly string[]): string => (ids.length === 0 ? words('none') : ids.join(', '));
    narrator.lines([
      '',
      paint('bold', it.run),
      `${words('sum_states')}: ${states.join('  ')}`,
      `${words('sum_forced')}: ${list(it.forcePassed)}`,
      `${words('sum_tainted')}: ${list(it.tainted)}`,
      `${words('sum_stale')}: ${list(it.stale)}`,
      `${words('sum_reruns')}: ${list(it.redone.map(({ flow, generation }) => `${flow} (${generation})`))}`,
      `${words('sum_refused')}: ${list(it.refused.map(({ verb, flows, actor, code }) => `${verb} ${flows.join(' ')} (${actor}: ${code})`))}`,
      ...pathLines(account.path, narrator),
      '',
    ]);
  }
  for (const { problem } of expectations) if (problem !== null) narrator.narrate('problem', { problem });
  if (expectations.length > 0 && expectations.every((expectation) => expectation.problem === null))
    narrator.narrate('all_good', { n: expectations.length });
}

process.exitCode = await main();

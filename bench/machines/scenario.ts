/**
 * The qualification of the several-machine form: month starts, one after the other, worked on by operators without a pause, while each API,
 * worker and agent is lost in its turn. Nobody may notice: every request is answered in time, every flow is done, once.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Installation, Part } from './installation.ts';
import { type Loss, loseEach } from './losses.ts';
import { doneOnce, type Once } from './once.ts';
import { startOperators } from './operators.ts';
import { type KindFigures, type RequestKind, Requests } from './requests.ts';

export interface Scenario {
  readonly requests: Readonly<Record<RequestKind, KindFigures>>;
  readonly events: number;
  readonly kills: readonly Loss[];
  readonly runs: readonly Once[];
  readonly ms: number;
  /** What an operator noticed, and what was not done, or not once. */
  readonly problems: readonly string[];
  readonly ok: boolean;
}

/** Longest duration of one run in ms, whatever is lost. */
const RUN_MS = 5 * 60_000;

export async function loseMachines(given: {
  readonly installation: Installation;
  readonly home: string;
  /** Parts that are lost, in this order. */
  readonly lost: readonly Part[];
  /** `2026-08`, ascending: as many runs are opened as are needed until all parts were lost. */
  readonly periods: readonly string[];
  readonly deadMs: number;
  readonly say: (text: string) => void;
}): Promise<Scenario> {
  const { installation, home, deadMs, say } = given;
  const { record, platforms } = installation;
  const begun = performance.now();
  const requests = new Requests();
  const operators = startOperators({ requests, client: installation.client, home });
  const late = new AbortController();
  let allLost = false;
  const losing = loseEach({ parts: given.lost, record, requests, deadMs, signal: late.signal, say }).finally(
    () => {
      allLost = true;
    },
  );
  // Awaited below; a run that is late ends it.
  losing.catch(() => undefined);

  const runs: Once[] = [];
  const problems: string[] = [];
  for (const period of given.periods) {
    const inTime = new AbortController();
    const run = await Promise.race([operators.month(period), pause(RUN_MS, null, { signal: inTime.signal })]);
    inTime.abort();
    if (run === null) {
      problems.push(`the run of ${period} did not end within ${RUN_MS / 1_000} s`);
      break;
    }
    const { problems: wrong, ...once } = await doneOnce(record, platforms, run);
    problems.push(...wrong);
    runs.push(once);
    say(`${run} is finished: ${once.flows} flows, ${once.attempts} attempts, ${once.lost} lost`);
    if (allLost) break;
  }
  if (!allLost)
    problems.push('the months were over before every part had been lost: make the time dead shorter');
  late.abort();
  const kills = await losing.catch((): Loss[] => []);
  await operators.stop();
  problems.push(...requests.noticed());
  return {
    requests: requests.figures(),
    events: operators.events(),
    kills,
    runs,
    problems,
    ms: Math.round(performance.now() - begun),
    ok: problems.length === 0,
  };
}

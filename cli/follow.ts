/**
 * A run as it moves: server-sent events say that something changed, the lists say what. So a lost event costs nothing, and what is shown
 * is the record, never a guess from events.
 */

import { setTimeout as pause } from 'node:timers/promises';
import type { Flow } from '../contract/flows.ts';
import type { RunDetail } from '../contract/runs.ts';
import { SluiceError } from '../errors.ts';
import { ApiProblem, type Client } from './client.ts';
import { ofRun } from './session.ts';

export interface Sight {
  readonly run: RunDetail;
  /** In the order of the graph, upstream first. */
  readonly flows: readonly Flow[];
}

export interface FollowOptions {
  readonly signal?: AbortSignal;
  /** Looked at least so often, although no event came, ms. */
  readonly pollMs?: number;
  /** At most one look in this time, ms. */
  readonly gapMs?: number;
}

/** The run now, and again whenever it changed, until the caller has seen enough or `signal` ends it. */
export async function* followRun(
  client: Client,
  run: string,
  options: FollowOptions = {},
): AsyncGenerator<Sight> {
  const { pollMs = 2_000, gapMs = 100 } = options;
  const over = new AbortController();
  const signal = options.signal === undefined ? over.signal : AbortSignal.any([options.signal, over.signal]);
  let changed = false;
  let seen = false;
  let wake = (): void => {};
  const notice = (): void => {
    changed = true;
    wake();
  };
  signal.addEventListener('abort', () => wake(), { once: true });
  const listening = (async () => {
    while (!signal.aborted) {
      try {
        for await (const _event of client.events(ofRun(run, '/events'), {}, signal)) notice();
      } catch {
        // Without events the looks go on; the next one says what is wrong with the API.
      }
      await pause(pollMs, undefined, { signal }).catch(() => undefined);
    }
  })();
  const wait = (ms: number, early: boolean): Promise<void> =>
    new Promise((resolve) => {
      if (signal.aborted || (early && changed)) return resolve();
      const timer = setTimeout(resolve, ms);
      wake = () => {
        if (!early && !signal.aborted) return;
        clearTimeout(timer);
        resolve();
      };
    });
  try {
    while (!signal.aborted) {
      changed = false;
      yield seen ? await lookAgain(client, run, signal) : await look(client, run);
      seen = true;
      await wait(gapMs, false);
      await wait(pollMs, true);
    }
  } finally {
    over.abort();
    await listening;
  }
}

/** An API that was there comes back: a run lasts longer than its restart. Gives up when it is away for this time, ms. */
const AWAY_MS = 10 * 60_000;

async function lookAgain(client: Client, run: string, signal: AbortSignal): Promise<Sight> {
  const begun = performance.now();
  for (;;) {
    try {
      return await look(client, run);
    } catch (error) {
      const away = error instanceof ApiProblem ? error.problem.retryable : isUnreachable(error);
      if (!away || signal.aborted || performance.now() - begun > AWAY_MS) throw error;
      await pause(1_000, undefined, { signal }).catch(() => undefined);
    }
  }
}

const isUnreachable = (error: unknown): boolean =>
  error instanceof SluiceError && error.code === 'api_unreachable';

/** One look at a run: first the flows, then the run, so that a finished run is shown with its last flows. */
export async function look(client: Client, run: string): Promise<Sight> {
  for (;;) {
    const before = await client.get<RunDetail>(ofRun(run));
    const { items } = await client.list<Flow>(ofRun(run, '/flows'));
    if (before.finishedAt !== null) return { run: before, flows: items };
    const after = await client.get<RunDetail>(ofRun(run));
    if (after.finishedAt === null) return { run: after, flows: items };
  }
}

/**
 * Follows a run. Server-sent events only say that something has changed; the state itself is read from the lists. A lost event costs
 * nothing, and what is printed is always what the database holds.
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
  /** Maximum time between two looks when no event comes, ms. Default 2,000. */
  readonly pollMs?: number;
  /** Minimum time between two looks, ms. Default 100. */
  readonly gapMs?: number;
}

/** Yields the run now and after each change, until the caller stops or `signal` is aborted. */
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
  const markChanged = (): void => {
    changed = true;
    wake();
  };
  signal.addEventListener('abort', () => wake(), { once: true });
  const listening = (async () => {
    while (!signal.aborted) {
      try {
        for await (const _event of client.events(ofRun(run, '/events'), {}, signal)) markChanged();
      } catch {
        // Looking goes on without events; the next look throws when the API is gone.
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

/** How long to wait for an API that has answered before, ms. Long: a run lasts longer than a restart of the API. */
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

/**
 * Reads a run and its flows. A finished run comes with the final state of its flows: they are read after the run was seen as finished, and again
 * when it finishes meanwhile. An open run is read after its flows.
 */
export async function look(client: Client, run: string): Promise<Sight> {
  for (;;) {
    const before = await client.get<RunDetail>(ofRun(run));
    const { items } = await client.list<Flow>(ofRun(run, '/flows'));
    if (before.finishedAt !== null) return { run: before, flows: items };
    const after = await client.get<RunDetail>(ofRun(run));
    if (after.finishedAt === null) return { run: after, flows: items };
  }
}

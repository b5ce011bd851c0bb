/** One part after the other is killed, stays dead, comes back: APIs, workers, agents, each of a pair in its turn. */
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import type { Part } from './installation.ts';
import type { RequestKind, Requests } from './requests.ts';

export interface Loss {
  readonly part: string;
  /** Flows that it was running (an agent). */
  readonly held: number;
  readonly deadMs: number;
  /** The longest wait of an operator from the kill until it was back, ms. */
  readonly worstMs: Readonly<Record<RequestKind, number>>;
}

/** Longest wait in ms until an agent runs something. It is killed while it does, or after this time all the same. */
const BUSY_WITHIN_MS = 30_000;
/** Pause between the return of one part and the loss of the next, ms. Losing both parts of a pair at once is not tried here. */
const REST_MS = 4_000;

export async function loseEach(given: {
  readonly parts: readonly Part[];
  readonly record: pg.Pool;
  readonly requests: Requests;
  readonly deadMs: number;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}): Promise<Loss[]> {
  const { record, requests, deadMs, signal, say } = given;
  const losses: Loss[] = [];
  for (const part of given.parts) {
    const held = part.kind === 'agent' ? await untilBusy(record, part.name, signal) : 0;
    const from = performance.now();
    await part.kill9();
    say(`${part.name} is dead${part.kind === 'agent' ? `, it was running ${held}` : ''}`);
    await pause(deadMs, undefined, { signal });
    await part.start();
    const to = performance.now();
    await pause(REST_MS, undefined, { signal });
    const loss = {
      part: part.name,
      held,
      deadMs: Math.round(to - from),
      worstMs: requests.worstBetween(from, to),
    };
    say(`${part.name} is back; the longest waits: ${JSON.stringify(loss.worstMs)}`);
    losses.push(loss);
  }
  return losses;
}

async function untilBusy(record: pg.Pool, agent: string, signal: AbortSignal): Promise<number> {
  const until = performance.now() + BUSY_WITHIN_MS;
  for (;;) {
    const found = await record.query('select 1 from leases where agent = $1 and started_ms is not null', [
      agent,
    ]);
    const held = found.rowCount ?? 0;
    if (held > 0 || performance.now() > until) return held;
    await pause(5, undefined, { signal });
  }
}

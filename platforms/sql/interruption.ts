/**
 * What may end a database attempt early (a stop, or its timeout), and how that reaches the backends: by
 * `pg_cancel_backend` from a second connection, later by `pg_terminate_backend` (protocol C6).
 */

import type { Ending } from '../../contract/agent.ts';
import { type ExecuteContext, type StopReason, stopReason } from '../platform.ts';
import { withControl } from './control.ts';
import type { Session } from './silence.ts';

/** Interval at which a backend is cancelled again, and the time after which it is terminated instead, ms. */
const REPEAT_MS = 500;
const TERMINATE_AFTER_MS = 5_000;
/** Time after which the agent closes the connection itself, ms: a connection over which nothing comes any more does not report its end. */
const CLOSE_AFTER_MS = 10_000;

export type InterruptionReason = StopReason | 'timeout';

/** Thrown between statements. While a statement runs, the database's own error arrives instead. */
export class Interrupted extends Error {
  override name = 'Interrupted';
}

export class Interruption {
  /** Why the attempt ends early; null: it does not. The first reason counts. */
  reason: InterruptionReason | null = null;
  readonly #context: ExecuteContext;
  readonly #sessions = new Set<Session>();
  readonly #onAbort = () => this.#interrupt(stopReason(this.#context.signal));
  #timer: NodeJS.Timeout | undefined;
  #ending: Promise<void> | undefined;
  #disposed = false;

  constructor(context: ExecuteContext) {
    this.#context = context;
    if (context.signal.aborted) this.reason = stopReason(context.signal);
    else context.signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** From now on an interruption cancels the backend of this session. */
  watch(session: Session): void {
    this.#sessions.add(session);
  }

  /** Starts the timeout of the program, ms. To be called when the fence is taken. */
  startTimeout(timeoutMs: number | null): void {
    if (timeoutMs === null) return;
    this.#timer = setTimeout(() => this.#interrupt('timeout'), Math.min(timeoutMs, 2_147_483_647));
  }

  /** Throws Interrupted when the attempt is to end early. */
  check(): void {
    if (this.reason !== null) throw new Interrupted(this.reason);
  }

  /** To be called when the attempt is over: no backend is cancelled afterwards. */
  dispose(): void {
    this.#disposed = true;
    clearTimeout(this.#timer);
    this.#context.signal.removeEventListener('abort', this.#onAbort);
  }

  #interrupt(reason: InterruptionReason): void {
    if (this.reason !== null || this.#disposed) return;
    this.reason = reason;
    this.#context.log(`-- ending early: ${reason}\n`);
    this.#ending ??= this.#endBackends();
  }

  async #endBackends(): Promise<void> {
    const since = performance.now();
    while (!this.#disposed) {
      const force = performance.now() - since > TERMINATE_AFTER_MS;
      for (const session of this.#sessions) {
        const end = force ? 'pg_terminate_backend' : 'pg_cancel_backend';
        try {
          await withControl(session.url, async (client) => {
            if (!this.#disposed) await client.query(`select ${end}($1)`, [session.pid]);
          });
        } catch {
          // No second connection: the server notices the closed socket within a second.
          if (force) session.close();
        }
      }
      if (performance.now() - since > CLOSE_AFTER_MS) for (const session of this.#sessions) session.close();
      await new Promise((resolve) => setTimeout(resolve, REPEAT_MS));
    }
  }
}

/** How an attempt ended that was interrupted for this reason; `committing`: the end came while the commit was under way. */
export function interruptedEnding(
  reason: InterruptionReason,
  task: { timeoutMs: number | null; orphanMs: number },
  committing: boolean,
): Ending {
  switch (reason) {
    case 'cancel':
      return { outcome: 'cancelled', effect: committing ? null : false };
    case 'leave':
      return { outcome: 'lost', message: 'the agent stopped before the program ended' };
    case 'timeout':
      return { outcome: 'failed', kind: 'timeout', message: `timed out after ${task.timeoutMs} ms` };
    case 'orphan':
      return {
        outcome: 'failed',
        kind: 'infrastructure',
        message: `no contact with the API for ${task.orphanMs} ms`,
      };
    default:
      return reason satisfies never;
  }
}

/** Says at intervals that this process works on its leases, and does what the answers ask for (protocol C3, C7). */
import { pause } from './api-client.ts';
import type { Attempts } from './attempts.ts';
import { diskTrouble } from './disk-room.ts';
import type { FenceLook } from './looks/fence-look.ts';
import type { Session } from './session.ts';

/** A heartbeat is answered within its interval, or its API counts as lost; the wait is never shorter than this, ms. */
const SHORTEST_WAIT_MS = 5_000;
/** Longest pause after a heartbeat that failed, ms. */
const FAILED_PAUSE_MS = 1_000;

export interface HeartbeatsOptions {
  readonly session: Session;
  readonly attempts: Attempts;
  readonly fences: FenceLook;
  /** Folder whose disk has to have room. */
  readonly spool: string;
}

export class Heartbeats {
  readonly #options: HeartbeatsOptions;
  readonly #quiet = new AbortController();

  constructor(options: HeartbeatsOptions) {
    this.#options = options;
  }

  /** Ends the heartbeats: one that arrives after the farewell would take the name again. */
  end(): void {
    this.#quiet.abort();
  }

  /** Beats until `end`, or until the session is closed. */
  async run(): Promise<void> {
    const { session } = this.#options;
    const over = AbortSignal.any([session.signal, this.#quiet.signal]);
    while (!over.aborted) {
      let failed = false;
      await this.beat().catch(async (error: unknown) => {
        failed = true;
        await session.renewedAfter(error);
      });
      const { heartbeatMs } = session;
      await pause(failed ? Math.min(heartbeatMs, FAILED_PAUSE_MS) : heartbeatMs, over).catch(() => {});
    }
  }

  /** One heartbeat. Rejects when it is not answered. */
  async beat(): Promise<void> {
    const { session, attempts, fences, spool } = this.#options;
    const leases = attempts.epochs();
    const trouble = diskTrouble(spool);
    const reached = fences.record === undefined ? undefined : attempts.reached();
    const beat = { leases, waits: attempts.waits(), reached, trouble, ...fences.found() };
    const sentOn = performance.now();
    const answer = await session.calls.heartbeat(beat, {
      signal: session.signal,
      timeoutMs: Math.max(session.heartbeatMs, SHORTEST_WAIT_MS),
    });
    const unknown = new Set(answer.unknown);
    if (session.isRecent(sentOn)) attempts.contact(leases.filter((epoch) => !unknown.has(epoch)));
    attempts.stop(answer.stop, 'cancel');
    attempts.force(answer.force);
    fences.forget(answer.archived);
    // Somebody else may have them by now; fenced ones would be refused, the others must not run twice.
    attempts.stop(answer.unknown, 'cancel');
  }
}

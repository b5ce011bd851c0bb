/** How an agent leaves (protocol C8): politely, then firmly; what goes on without this process is named to the API. */
import type { EventLogger } from '../logging.ts';
import { pause } from './api-client.ts';
import type { Attempts } from './attempts.ts';
import type { Heartbeats } from './heartbeats.ts';
import type { LogShipper } from './log-shipper.ts';
import type { Session } from './session.ts';

/** How long interrupted programs and their results may take, ms: an agent whose machine shuts down has about 10 s. */
const INTERRUPTED_MS = 4_000;
/** How long each step of the farewell itself may take, ms. */
const FAREWELL_MS = 1_000;

export interface FarewellOptions {
  readonly session: Session;
  readonly attempts: Attempts;
  readonly logs: LogShipper;
  readonly heartbeats: Heartbeats;
  readonly logger: EventLogger;
  /** How long programs get to end by themselves, ms. */
  readonly drainMs: number;
  /** How long interrupted programs and their results may take, ms; default 4 s. */
  readonly interruptedMs?: number | undefined;
  /** Shell programs are ended as well, instead of being left to their keeper and the next agent. */
  readonly endPrograms: boolean;
}

export class Farewell {
  readonly #options: FarewellOptions;
  #wake = (): void => {};

  constructor(options: FarewellOptions) {
    this.#options = options;
  }

  /** An attempt was forgotten: perhaps nothing is left to wait for. */
  attemptForgotten(): void {
    this.#wake();
  }

  /**
   * Waits for programs, interrupts the others, sends their logs, and leaves. An API that refuses this agent is not waited for.
   * `beating` resolves when the heartbeats have ended.
   */
  async leave(beating: Promise<void>): Promise<void> {
    const { session, attempts, logs, heartbeats, drainMs } = this.#options;
    if (session.refusal === undefined) await this.#settle(drainMs);
    await this.#interrupt();
    if (session.refusal !== undefined) return;
    await logs.settle(FAREWELL_MS);
    heartbeats.end();
    await Promise.race([beating, pause(FAREWELL_MS)]);
    await session.calls.leave(attempts.surviving(), { timeoutMs: FAREWELL_MS }).catch(() => {});
  }

  /** Ends the programs that still run. */
  async #interrupt(): Promise<void> {
    const { attempts, logger } = this.#options;
    const interrupted = attempts.stop(attempts.unfinished(this.#ours), 'leave');
    if (interrupted.length === 0) return;
    logger.warn({ epochs: interrupted }, 'the agent stops before these programs have ended');
    await this.#settle(this.#options.interruptedMs ?? INTERRUPTED_MS);
  }

  /** Which programs end with this process. */
  get #ours(): 'inside' | 'all' {
    return this.#options.endPrograms ? 'all' : 'inside';
  }

  async #settle(withinMs: number): Promise<void> {
    const until = performance.now() + withinMs;
    while (this.#options.attempts.unfinished(this.#ours).length > 0 && performance.now() < until) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.max(0, until - performance.now()));
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

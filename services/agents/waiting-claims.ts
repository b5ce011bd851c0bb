/**
 * Claims that found nothing and wait (long poll). Woken when something for their platform is released, or by one look a second at the
 * outbox for all of them together: an idle estate costs one query a second, however many agents wait.
 */
import type pg from 'pg';
import { agentsToStop, platformsWithWork } from '../../store/agents/awaited.ts';
import type { Notifications } from '../notifications.ts';

export type Woken = 'work' | 'answer';

interface Waiter {
  readonly agent: string;
  readonly instance: string;
  readonly platform: string;
  wake(why: Woken): void;
}

export interface WaitingClaim {
  wait(waitMs: number): Promise<Woken>;
  /** The caller must always call it at the end. */
  leave(): void;
}

/** Number of claims that a notification wakes at once. Each of them that finds work wakes as many again. */
const TOGETHER = 8;
/** Interval of the looks at the outbox for all claims that wait, ms. A lost notification costs at most this. */
const LOOK_MS = 1_000;

export class WaitingClaims {
  readonly #waiters = new Set<Waiter>();
  readonly #pool: pg.Pool;
  readonly #off: (() => void)[];
  #timer: NodeJS.Timeout;
  #closed = false;

  constructor(pool: pg.Pool, notifications: Notifications) {
    this.#pool = pool;
    this.#off = [
      notifications.on('sluice_outbox', (platform) => this.wakePlatform(platform)),
      notifications.on('sluice_stop', (run) => void this.#wakeStopped(run)),
    ];
    this.#timer = setTimeout(() => void this.#look(), LOOK_MS);
  }

  /**
   * Registers a claim before its caller looks for work, so that work which is released between that look and the wait is not missed. `wait`
   * resolves with `work` when there may be work; with `answer` when the claim is to be answered without any: its time is over, its caller is gone,
   * its agent has a program to end, or this process ends.
   */
  enter(who: { agent: string; instance: string; platform: string }, signal: AbortSignal): WaitingClaim {
    let heard: Woken | null = null;
    let resume: (() => void) | null = null;
    const waiter: Waiter = {
      ...who,
      wake(why) {
        if (heard !== 'answer') heard = why;
        resume?.();
      },
    };
    const gone = (): void => waiter.wake('answer');
    if (this.#closed || signal.aborted) gone();
    signal.addEventListener('abort', gone, { once: true });
    this.#waiters.add(waiter);
    return {
      async wait(waitMs) {
        if (heard === null && waitMs > 0)
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, waitMs);
            resume = () => {
              clearTimeout(timer);
              resolve();
            };
          });
        resume = null;
        const why = heard ?? 'answer';
        if (why === 'work') heard = null;
        return why;
      },
      leave: () => {
        signal.removeEventListener('abort', gone);
        this.#waiters.delete(waiter);
      },
    };
  }

  /** Wakes the claims that have waited longest; `*` wakes all of every platform. */
  wakePlatform(platform: string, limit = TOGETHER): void {
    const fitting = [...this.#waiters].filter((waiter) => platform === '*' || waiter.platform === platform);
    for (const waiter of fitting.slice(0, platform === '*' ? fitting.length : limit)) waiter.wake('work');
  }

  /** The process leaves: its waiting claim ends. */
  wakeInstance(agent: string, instance: string): void {
    for (const waiter of [...this.#waiters])
      if (waiter.agent === agent && waiter.instance === instance) waiter.wake('answer');
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const off of this.#off) off();
    for (const waiter of [...this.#waiters]) waiter.wake('answer');
  }

  /** Answers the waiting claims of these agents, so that they learn of programs to end before the next heartbeat. */
  async #wakeStopped(run: string): Promise<void> {
    const agents = new Set(await agentsToStop(this.#pool, run).catch(() => []));
    for (const waiter of [...this.#waiters]) if (agents.has(waiter.agent)) waiter.wake('answer');
  }

  async #look(): Promise<void> {
    if (this.#waiters.size > 0) {
      const platforms = await platformsWithWork(this.#pool).catch(() => []);
      for (const platform of platforms) this.wakePlatform(platform, Number.POSITIVE_INFINITY);
    }
    if (!this.#closed) this.#timer = setTimeout(() => void this.#look(), LOOK_MS);
  }
}

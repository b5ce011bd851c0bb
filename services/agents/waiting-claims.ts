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

/** Number of claims that a notification wakes at once; more are woken while these find something. */
const TOGETHER = 8;
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
   * Takes its place before the caller looks for work: what is released between the look and the wait wakes it all the same. Answers
   * `wait`: until work may be there (`work`), or there is a reason to answer with none (`answer`): time over, caller gone, stop, end.
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

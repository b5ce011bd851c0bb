/** Brings results to the API, in lists, until it has them or refuses them for good (protocol C1, C3). */
import type { AttemptResult } from '../contract/agent.ts';
import type { EventLogger } from '../logging.ts';
import { ApiRefusal } from './api-client.ts';
import type { Attempts } from './attempts.ts';
import { Gather } from './gather.ts';
import type { ResultSpool } from './result-spool.ts';
import type { Session } from './session.ts';

/** Results in one call of `complete`: the limit of the contract. */
const RESULT_LIMIT = 500;

export interface ResultDeliveryOptions {
  readonly session: Session;
  readonly attempts: Attempts;
  readonly spool: ResultSpool;
  readonly logger: EventLogger;
}

export class ResultDelivery {
  readonly #options: ResultDeliveryOptions;
  readonly #waiting: Gather<AttemptResult>;

  constructor(options: ResultDeliveryOptions) {
    this.#options = options;
    this.#waiting = new Gather(RESULT_LIMIT, (results) => this.#complete(results));
  }

  push(result: AttemptResult): void {
    this.#waiting.push(result);
  }

  async #complete(results: AttemptResult[]): Promise<void> {
    const { session, attempts, logger } = this.#options;
    for (;;) {
      try {
        const answer = await session.calls.complete(results, session.retry);
        if (answer.stale.length > 0)
          logger.warn({ epochs: answer.stale }, 'results came too late and do not count');
        for (const { epoch } of results) attempts.forget(epoch);
        attempts.stop(answer.stop, 'cancel');
        return;
      } catch (error) {
        if (session.closed) return;
        if (await session.renewedAfter(error)) continue;
        if (session.closed || !(error instanceof ApiRefusal)) return;
        if (results.length > 1) {
          // One of them cannot be accepted: the others must not suffer.
          const half = Math.ceil(results.length / 2);
          await this.#complete(results.slice(0, half));
          await this.#complete(results.slice(half));
          return;
        }
        const result = results[0]!;
        logger.error(
          { err: error, result },
          'the API refuses a result: it is kept in the folder results/refused',
        );
        this.#setAside(result);
        attempts.forget(result.epoch);
        return;
      }
    }
  }

  /** For a person to look at; on a full disk the line in the log is all that is left of it. */
  #setAside(result: AttemptResult): void {
    try {
      this.#options.spool.setAside(result);
    } catch (error) {
      this.#options.logger.error({ err: error, result }, 'a refused result cannot be kept on the disk');
    }
  }
}

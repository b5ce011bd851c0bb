/**
 * What the API knows of this process: the instance that says hello, the times that the answer sets, and the hello that is said
 * again when the API has forgotten the instance (protocol C1, C8).
 */
import { randomUUID } from 'node:crypto';
import { SluiceError } from '../errors.ts';
import type { EventLogger } from '../logging.ts';
import { type ApiClient, ApiRefusal, type RetryOptions } from './api-client.ts';
import { createCalls, type Introduction } from './calls.ts';

/** A warning about an API that does not answer is logged after this many failed tries in a row, and at most once per interval, ms. */
const OUTAGE_TRIES = 3;
const OUTAGE_INTERVAL_MS = 30_000;

export interface SessionOptions {
  readonly client: ApiClient;
  readonly introduction: Omit<Introduction, 'instance'>;
  readonly logger: EventLogger;
  /** Epochs that this process answers for. Each hello names them. */
  readonly heldEpochs: () => number[];
  /** A hello was answered. `record` is the record that the agent works for. */
  readonly onHello: (record: string | undefined) => void;
  /** The API refuses a later hello for a lasting reason, `refusal`: the agent has to end. */
  readonly onRefused: () => void;
}

export class Session {
  readonly instance = randomUUID();
  readonly calls: ReturnType<typeof createCalls>;
  /** Options of calls that are repeated until they are answered, or until the session is closed. */
  readonly retry: RetryOptions;
  readonly #options: SessionOptions;
  readonly #closing = new AbortController();
  #heartbeatMs = 10_000;
  #leaseMs = 60_000;
  #renewal: Promise<boolean> | undefined;
  #refusal: unknown;
  #outageLoggedOn = Number.NEGATIVE_INFINITY;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.calls = createCalls(options.client, { ...options.introduction, instance: this.instance });
    this.retry = {
      signal: this.#closing.signal,
      onFailure: (error, tries) => this.#logOutage(error, tries),
    };
  }

  /** Interval of heartbeats, ms, as the API asks for it; 10 s before the first hello. */
  get heartbeatMs(): number {
    return this.#heartbeatMs;
  }

  /** Why the API refuses this agent for good; undefined: it does not. */
  get refusal(): unknown {
    return this.#refusal;
  }

  get closed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Aborted by `close`. */
  get signal(): AbortSignal {
    return this.#closing.signal;
  }

  /** Whether the answer to a call sent at `sentOn` (performance.now()) still holds: it does not once a lease may have run out since then. */
  isRecent(sentOn: number): boolean {
    return performance.now() - sentOn < this.#leaseMs;
  }

  /**
   * The first hello. Rejects with `agent_name_taken` or `agent_refused`, also for a wrong token or platform: nothing runs yet
   * that an outage could interrupt.
   */
  open(signal: AbortSignal): Promise<void> {
    return this.#hello(signal, true);
  }

  /**
   * True when the error meant that the API does not know this instance any more (it was restored, or the lease ran out) and
   * a new hello, one for all calls that met the error, has mended that.
   */
  async renewedAfter(error: unknown): Promise<boolean> {
    const forgotten = error instanceof ApiRefusal && error.code === 'agent_name_taken';
    if (!forgotten || this.closed) return false;
    this.#renewal ??= this.#hello(this.signal, false)
      .then(() => true)
      .catch((refusal: unknown) => {
        if (this.closed) return false;
        this.#refusal ??= refusal;
        this.#options.onRefused();
        return false;
      })
      .finally(() => {
        this.#renewal = undefined;
      });
    return this.#renewal;
  }

  /** Resolves when no hello is under way: a hello names what this agent holds, so nothing may be added to it meanwhile. */
  async settled(): Promise<void> {
    await this.#renewal;
  }

  /** Ends every call that uses `signal` or `retry`. */
  close(): void {
    this.#closing.abort();
  }

  async #hello(signal: AbortSignal, first: boolean): Promise<void> {
    const onFailure: RetryOptions['onFailure'] = (error, tries) => {
      const unwelcome = error instanceof ApiRefusal && (error.status === 401 || error.status === 403);
      // Later, with programs running, a wrong token is an outage like any other.
      return first && unwelcome ? false : this.#logOutage(error, tries);
    };
    try {
      const answer = await this.calls.hello(this.#options.heldEpochs(), { signal, onFailure });
      this.#heartbeatMs = answer.heartbeatMs;
      this.#leaseMs = answer.leaseMs;
      this.#options.onHello(answer.record);
    } catch (error) {
      if (!(error instanceof ApiRefusal)) throw error;
      const code = error.code === 'agent_name_taken' ? 'agent_name_taken' : 'agent_refused';
      throw new SluiceError(code, error.message, {
        cause: error,
        facts: { status: error.status, code: error.code },
      });
    }
  }

  #logOutage(error: Error, tries: number): undefined {
    if (tries < OUTAGE_TRIES || performance.now() - this.#outageLoggedOn < OUTAGE_INTERVAL_MS)
      return undefined;
    this.#outageLoggedOn = performance.now();
    this.#options.logger.warn(
      { reason: error.message, tries },
      'no answer from the API: programs go on, results are kept',
    );
    return undefined;
  }
}

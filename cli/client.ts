/**
 * The API from outside: requests with one token, answers as the API gave them, refusals as `ApiProblem`. Every change carries an
 * `Idempotency-Key`, and a request that is repeated (no answer, or one that says 'later') carries the same key and the same body, so
 * that nothing happens twice (protocol B1). Of several APIs it stays with the one that answers; when that one is lost, the next is asked
 * at once.
 */

import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { addressesOf, isAway } from '../contract/addresses.ts';
import type { LogFrame } from '../contract/flows.ts';
import type { Operation } from '../contract/operations.ts';
import type { Problem } from '../contract/problem.ts';
import { ERRORS, type ExitCode, SluiceError } from '../errors.ts';
import { failureOf, interrupted, isMaybeApplied, isUnsent, maybeApplied, problemOf } from './failures.ts';
import type { Query } from './http.ts';
import { dateOf, lives, queryText, whereToLook } from './http.ts';
import { readEvents, type ServerEvent, wholeLines } from './server-events.ts';
import { useZone } from './text/instant.ts';

export interface ClientOptions {
  /** `http://host:port`, without `/api/v1`; or several of them, see `addressesOf`. */
  readonly apiUrl: string;
  readonly token?: string | undefined;
  /** Language of titles and remedies. Default en. */
  readonly lang?: 'en' | 'zh';
  /** How long an API that does not answer, or answers 503, is asked again, ms. Default 5,000. */
  readonly patienceMs?: number;
  /** The same once it has answered, or may have got what was asked: it is being restarted. Default `patienceMs`. */
  readonly bridgeMs?: number;
  /** Called once when an API that was there is waited for. */
  readonly onAway?: (base: string) => void;
  /** How long one answer may take, ms; the API itself answers verbs within 10 s (B2). Default 60,000. */
  readonly timeoutMs?: number;
  /** Aborted: what is under way ends with `interrupted`. */
  readonly signal?: AbortSignal;
}

/** What a list of the API looks like. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | null;
}

/** A refusal of the API: its problem as it came, and the exit code that belongs to it. */
export class ApiProblem extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.detail);
    this.name = 'ApiProblem';
    this.problem = problem;
  }

  get code(): string {
    return this.problem.code;
  }

  get exit(): ExitCode {
    const { code, status } = this.problem;
    // A newer API may know codes that this command line does not.
    if (code in ERRORS) return ERRORS[code as keyof typeof ERRORS].exit;
    if (status === 404) return 3;
    if (status === 401 || status === 403) return 4;
    return status === 400 || status === 415 ? 2 : status < 500 ? 5 : 1;
  }
}

export interface Client {
  /** As it was given: one address, or several. */
  readonly apiUrl: string;
  readonly addresses: readonly string[];
  /** How long the API at one of the addresses takes to say that it lives, ms. Throws `api_unreachable`, `timed_out`; asks once. */
  reach(address: string): Promise<number>;
  /** GET below `/api/v1`, the path beginning with `/`; lists in a query are joined by commas. */
  get<T>(path: string, query?: Query): Promise<T>;
  /** A file as the API made it. */
  bytes(path: string, query?: Query): Promise<Uint8Array>;
  /** One list, page by page, as one: `{ items, nextCursor }` when `limit` cut it, otherwise nextCursor null. */
  list<T>(path: string, query?: Query, limit?: number): Promise<Page<T>>;
  /** POST below `/api/v1` with an idempotency key: the given one, or a new one. */
  post<T>(path: string, body: unknown, key?: string): Promise<T>;
  /** POSTs a verb and waits for its outcome, also beyond the 202 of an answer that takes longer (B2); `timed_out` after `waitMs`. */
  operate(path: string, body: unknown, options?: { key?: string; waitMs?: number }): Promise<Operation>;
  /** Server-sent events of a path, again and again from the last one seen, until `signal` or the caller ends it. */
  events(path: string, query?: Query, signal?: AbortSignal): AsyncGenerator<ServerEvent>;
  /** This machine's clock minus the API's, ms, in whole seconds as HTTP tells them. */
  clockOffset(): Promise<number>;
  /** An attempt's log piece by piece; one that breaks off goes on at the place that was reached. */
  log(path: string, query?: Query, signal?: AbortSignal): AsyncGenerator<LogFrame>;
}

const OPERATION_POLL_MS = 250;
/**
 * Where there are several APIs, one that has not answered for the first time is asked whether it lives, and is given up after the second:
 * a machine without power refuses no connection. Below it no answer of a busy one is late.
 */
const SILENT_AFTER_MS = 1_000;
const LIVES_WITHIN_MS = 2_000;
/** How often a log that breaks off before anything new came is asked for. */
const LOG_TRIES = 3;

export function createClient(options: ClientOptions): Client {
  const { patienceMs = 5_000, timeoutMs = 60_000 } = options;
  const bridgeMs = Math.max(patienceMs, options.bridgeMs ?? patienceMs);
  /** Some API has answered this client before. */
  let known = false;
  let toldAway = false;
  const addresses = addressesOf(options.apiUrl);
  const several = addresses.all.length;

  /**
   * Asks until there is an answer and `read` has read it. `limitMs` is for one try, with reading. `look`: of a change, the command that
   * tells whether it was done.
   */
  async function ask<T>(
    method: string,
    path: string,
    query: Query,
    init: RequestInit,
    read: (answer: Response, base: string) => Promise<T>,
    limitMs?: number,
    look: string | null = null,
  ): Promise<T> {
    const headers = new Headers(init.headers);
    headers.set('accept-language', options.lang ?? 'en');
    if (options.token !== undefined) headers.set('authorization', `Bearer ${options.token}`);
    const begun = performance.now();
    /** It may have come to the API, whatever was heard of it. */
    let sent = false;
    const fail = (failure: SluiceError): SluiceError =>
      sent && look !== null ? maybeApplied(failure, look) : failure;
    for (let tries = 1, delay = 100; ; tries++) {
      const base = addresses.current();
      // Each address is asked before anybody waits or gives up.
      const roundIsOver = tries % several === 0;
      const hasTime = (): boolean =>
        !roundIsOver || performance.now() - begun + delay < (known || sent ? bridgeMs : patienceMs);
      const over = new AbortController();
      const signals = [
        init.signal,
        options.signal,
        limitMs === undefined ? null : AbortSignal.timeout(limitMs),
        // The last one of a round is waited for: all of them may be busy.
        roundIsOver ? null : silenceOf(base, over.signal),
      ];
      try {
        const answer = await fetch(`${base}/api/v1${path}${queryText(query)}`, {
          ...init,
          method,
          headers,
          signal: AbortSignal.any(signals.filter((signal) => signal !== null && signal !== undefined)),
        });
        useZone(answer.headers.get('sluice-time-zone'));
        if (answer.ok) {
          const body = await read(answer, base);
          known = true;
          return body;
        }
        const problem = await problemOf(answer, method, path);
        if (isAway(answer.status)) addresses.lost(base);
        // What stands before the API cannot say whether the request came through.
        if (problem.code === 'internal' && problem.status === 503) sent = true;
        else if (answer.status !== 503) known = true;
        if (!(problem.retryable && problem.status === 503)) throw new ApiProblem(problem);
        if (!hasTime())
          throw sent && look !== null ? maybeApplied(new ApiProblem(problem), look) : new ApiProblem(problem);
      } catch (error) {
        if (error instanceof ApiProblem || isMaybeApplied(error)) throw error;
        const failure = failureOf(error, base, init.signal ?? options.signal ?? null);
        if (!isUnsent(error)) sent = true;
        if (failure.code === 'api_unreachable') addresses.lost(base);
        if (failure.code !== 'api_unreachable' || !hasTime()) throw fail(failure);
        if (roundIsOver && (known || sent) && !toldAway) {
          toldAway = true;
          options.onAway?.(base);
        }
      } finally {
        over.abort();
      }
      if (!roundIsOver) continue;
      await wait(delay);
      delay = Math.min(2_000, delay * 2);
    }
  }

  /** Aborted when the API at `base` does not even say that it lives; looked at again and again until `over`. */
  function silenceOf(base: string, over: AbortSignal): AbortSignal {
    const silent = new AbortController();
    void (async () => {
      for (;;) {
        await pause(SILENT_AFTER_MS, undefined, { signal: over });
        await lives(base, AbortSignal.any([over, AbortSignal.timeout(LIVES_WITHIN_MS)]));
      }
    })().catch(() => {
      if (!over.aborted) silent.abort(new Error('it has fallen silent'));
    });
    return silent.signal;
  }

  async function wait(ms: number): Promise<void> {
    await pause(ms, undefined, options.signal === undefined ? {} : { signal: options.signal }).catch(() => {
      throw interrupted();
    });
  }

  const json = <T>(
    method: string,
    path: string,
    query: Query,
    init: RequestInit,
    look?: string | null,
  ): Promise<T> =>
    ask(
      method,
      path,
      query,
      init,
      async (answer) => (answer.status === 204 ? (undefined as T) : ((await answer.json()) as T)),
      timeoutMs,
      look,
    );

  const client: Client = {
    apiUrl: addresses.all.join(','),
    addresses: addresses.all,
    async reach(address) {
      const begun = performance.now();
      try {
        await lives(address, AbortSignal.timeout(LIVES_WITHIN_MS));
      } catch (error) {
        throw failureOf(error, address, options.signal ?? null);
      }
      return performance.now() - begun;
    },
    get: (path, query = {}) => json('GET', path, query, { headers: { accept: 'application/json' } }),
    bytes: (path, query = {}) =>
      ask('GET', path, query, {}, async (answer) => new Uint8Array(await answer.arrayBuffer()), timeoutMs),
    async list<T>(path: string, query: Query = {}, limit = Number.POSITIVE_INFINITY) {
      const items: T[] = [];
      let cursor: string | null = null;
      do {
        const size = Math.min(1_000, limit - items.length);
        const page: Page<T> = await client.get(path, { ...query, limit: size, cursor: cursor ?? undefined });
        items.push(...page.items);
        cursor = page.nextCursor;
      } while (cursor !== null && items.length < limit);
      return { items, nextCursor: cursor };
    },
    post: (path, body, key = randomUUID()) =>
      json(
        'POST',
        path,
        {},
        {
          headers: { accept: 'application/json', 'content-type': 'application/json', 'idempotency-key': key },
          body: JSON.stringify(body),
        },
        whereToLook(path, body, key),
      ),
    async operate(path, body, { key = randomUUID(), waitMs = 60_000 } = {}): Promise<Operation> {
      const giveUpAt = performance.now() + waitMs;
      let operation = await client.post<Operation>(path, body, key);
      while (operation.state === 'requested') {
        if (performance.now() > giveUpAt)
          throw new SluiceError(
            'timed_out',
            `the operation ${operation.id} was not decided within ${waitMs / 1_000} s`,
            {
              facts: { operation: operation.id, waitMs },
            },
          );
        await wait(OPERATION_POLL_MS);
        const { id } = operation;
        operation = await client.get<Operation>(`/operations/${part(id)}`).catch((error: unknown) => {
          throw error instanceof SluiceError ? maybeApplied(error, `sluice operations ${id}`) : error;
        });
      }
      return operation;
    },
    async *events(path, query = {}, signal) {
      let last: string | null = null;
      for (;;) {
        const headers: Record<string, string> = { accept: 'text/event-stream' };
        if (last !== null) headers['last-event-id'] = last;
        const { body, base } = await stream(path, query, headers, signal);
        try {
          for await (const event of readEvents(body)) {
            if (event.id !== null) last = event.id;
            yield event;
          }
        } catch (error) {
          mayBreak(error, base, signal);
        }
        // The stream ended or broke: the API was restarted, or the network cut it.
        await wait(200);
      }
    },
    async clockOffset() {
      const told = await ask('GET', '/healthz', {}, {}, dateOf, timeoutMs);
      return Number.isNaN(told) ? 0 : Math.trunc((Date.now() - told) / 1_000) * 1_000;
    },
    async *log(path, query = {}, signal) {
      let from = 0;
      for (let vain = 0; ; ) {
        const asked = { ...query, frames: true, from };
        const { body, base } = await stream(path, asked, { accept: 'application/x-ndjson' }, signal);
        try {
          for await (const line of wholeLines(body)) {
            const frame = JSON.parse(line) as LogFrame;
            from = frame.next;
            vain = 0;
            yield frame;
          }
          return;
        } catch (error) {
          mayBreak(error, base, signal);
          if (++vain > LOG_TRIES) throw failureOf(error, base, null);
        }
      }
    },
  };

  /** A body that may take as long as it likes, and who sends it. */
  async function stream(
    path: string,
    query: Query,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<{ body: ReadableStream<Uint8Array>; base: string }> {
    const init = { headers, signal: signal ?? null };
    return ask('GET', path, query, init, async (answer, base) => ({
      body: answer.body ?? new Blob([]).stream(),
      base,
    }));
  }

  /** A stream that broke because its API is gone is asked for again; any other error is thrown. */
  function mayBreak(error: unknown, base: string, signal: AbortSignal | undefined): void {
    const failure = failureOf(error, base, signal ?? options.signal ?? null);
    if (failure.code !== 'api_unreachable') throw failure;
    addresses.lost(base);
  }
  return client;
}

/** One part of a path. */
export const part = (text: string): string => encodeURIComponent(text);

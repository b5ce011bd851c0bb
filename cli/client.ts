/**
 * The client of the API. It sends requests with one token, returns answers unchanged, and throws refusals as `ApiProblem`. Every change
 * carries an `Idempotency-Key`. A request that is sent again (no answer, or a 503) has the same key and the same body, so nothing happens
 * twice (protocol B1). With several APIs it stays with the one that answers; when that one is lost, it turns to the next at once.
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
  /** How long requests to an API that does not answer, or answers 503, are repeated, ms. Default 5,000. */
  readonly patienceMs?: number;
  /** The same once the API has answered before, or may have received the request: it is being restarted. Default `patienceMs`. */
  readonly bridgeMs?: number;
  /** Called once, when the client starts to wait for an API that has answered before. */
  readonly onAway?: (base: string) => void;
  /** How long one answer may take, ms; the API itself answers verbs within 10 s (protocol B2). Default 60,000. */
  readonly timeoutMs?: number;
  /** When it is aborted, requests under way end with `interrupted`. */
  readonly signal?: AbortSignal;
}

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
  /** How long the API at one of the addresses takes to answer, ms. Tries once; throws `api_unreachable` or `timed_out`. */
  reach(address: string): Promise<number>;
  /** GET below `/api/v1`, the path beginning with `/`; lists in a query are joined by commas. */
  get<T>(path: string, query?: Query): Promise<T>;
  /** A file as the API made it. */
  bytes(path: string, query?: Query): Promise<Uint8Array>;
  /** One list, page by page, as one: `{ items, nextCursor }` when `limit` cut it, otherwise nextCursor null. */
  list<T>(path: string, query?: Query, limit?: number): Promise<Page<T>>;
  /** POST below `/api/v1` with an idempotency key: the given one, or a new one. */
  post<T>(path: string, body: unknown, key?: string): Promise<T>;
  /** POSTs a verb and waits for its outcome, also beyond the 202 of an answer that takes longer (protocol B2); `timed_out` after `waitMs`. */
  operate(path: string, body: unknown, options?: { key?: string; waitMs?: number }): Promise<Operation>;
  /** Server-sent events of a path. A broken stream is opened again at the last event seen, until `signal` or the caller ends it. */
  events(path: string, query?: Query, signal?: AbortSignal): AsyncGenerator<ServerEvent>;
  /** This machine's clock minus the API's, ms, rounded to seconds: dates of HTTP have no fractions. */
  clockOffset(): Promise<number>;
  /** An attempt's log in pieces. A broken stream is opened again where it broke off. */
  log(path: string, query?: Query, signal?: AbortSignal): AsyncGenerator<LogFrame>;
}

interface ApiRequest {
  readonly method: 'GET' | 'POST';
  /** Below `/api/v1`. */
  readonly path: string;
  readonly query?: Query;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | null;
  readonly signal?: AbortSignal | null;
  /** How long one try may take, reading included, ms. Default: without end. */
  readonly limitMs?: number;
  /** The command that says whether the change was made; null: the request changes nothing. */
  readonly look?: string | null;
}

/** How often an operation that is not decided yet is read again, ms. */
const OPERATION_POLL_MS = 250;
/**
 * With several APIs: after this time without an answer, ms, the API is asked whether it is alive. A machine without power refuses no
 * connection, so waiting alone would not show it. Busy APIs answer within this time.
 */
const SILENT_AFTER_MS = 1_000;
/** An API that does not answer that question within this time, ms, is given up. */
const LIVES_WITHIN_MS = 2_000;
/** How often in a row a log that breaks off without anything new is requested again. */
const LOG_TRIES = 3;

export function createClient(options: ClientOptions): Client {
  const { patienceMs = 5_000, timeoutMs = 60_000, bridgeMs = patienceMs } = options;
  /** Some API has answered this client before. */
  let known = false;
  let reportedAway = false;
  const addresses = addressesOf(options.apiUrl);
  const several = addresses.all.length;

  /** Sends the request until there is an answer and `read` has read it. */
  async function send<T>(
    {
      method,
      path,
      query = {},
      headers: own = {},
      body = null,
      signal = null,
      limitMs,
      look = null,
    }: ApiRequest,
    read: (answer: Response, base: string) => Promise<T>,
  ): Promise<T> {
    const headers = new Headers(own);
    headers.set('accept-language', options.lang ?? 'en');
    if (options.token !== undefined) headers.set('authorization', `Bearer ${options.token}`);
    const begun = performance.now();
    /** The API may have received the request, whatever the answer. */
    let sent = false;
    const fail = (failure: SluiceError): SluiceError =>
      sent && look !== null ? maybeApplied(failure, look) : failure;
    for (let tries = 1, delay = 100; ; tries++) {
      const base = addresses.current();
      // Every address gets a try before the client waits or gives up.
      const roundIsOver = tries % several === 0;
      const hasTime = (): boolean =>
        !roundIsOver ||
        performance.now() - begun + delay < (known || sent ? Math.max(patienceMs, bridgeMs) : patienceMs);
      const over = new AbortController();
      const signals = [
        signal,
        options.signal,
        limitMs === undefined ? null : AbortSignal.timeout(limitMs),
        // The last address of a round gets the full time: all of them may be busy.
        roundIsOver ? null : silenceOf(base, over.signal),
      ];
      try {
        const answer = await fetch(`${base}/api/v1${path}${queryText(query)}`, {
          method,
          headers,
          body,
          signal: AbortSignal.any(signals.filter((each) => each !== null && each !== undefined)),
        });
        useZone(answer.headers.get('sluice-time-zone'));
        if (answer.ok) {
          const value = await read(answer, base);
          known = true;
          return value;
        }
        const problem = await problemOf(answer, method, path);
        if (isAway(answer.status)) addresses.lost(base);
        // A 503 of a proxy does not say whether the API received the request.
        if (problem.code === 'internal' && problem.status === 503) sent = true;
        else if (answer.status !== 503) known = true;
        if (!(problem.retryable && problem.status === 503)) throw new ApiProblem(problem);
        if (!hasTime())
          throw sent && look !== null ? maybeApplied(new ApiProblem(problem), look) : new ApiProblem(problem);
      } catch (error) {
        if (error instanceof ApiProblem || isMaybeApplied(error)) throw error;
        const failure = failureOf(error, base, signal ?? options.signal ?? null);
        if (!isUnsent(error)) sent = true;
        if (failure.code === 'api_unreachable') addresses.lost(base);
        if (failure.code !== 'api_unreachable' || !hasTime()) throw fail(failure);
        if (roundIsOver && (known || sent) && !reportedAway) {
          reportedAway = true;
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

  /** A signal that is aborted when the API at `base` no longer answers at all; checked again and again until `over`. */
  function silenceOf(base: string, over: AbortSignal): AbortSignal {
    const silent = new AbortController();
    void (async () => {
      for (;;) {
        await pause(SILENT_AFTER_MS, undefined, { signal: over });
        await lives(base, AbortSignal.any([over, AbortSignal.timeout(LIVES_WITHIN_MS)]));
      }
    })().catch(() => {
      if (!over.aborted) silent.abort(new Error('it no longer answers'));
    });
    return silent.signal;
  }

  async function wait(ms: number): Promise<void> {
    await pause(ms, undefined, options.signal === undefined ? {} : { signal: options.signal }).catch(() => {
      throw interrupted();
    });
  }

  const sendForJson = <T>(request: ApiRequest): Promise<T> =>
    send({ ...request, limitMs: timeoutMs }, async (answer) =>
      answer.status === 204 ? (undefined as T) : ((await answer.json()) as T),
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
    get: (path, query = {}) =>
      sendForJson({ method: 'GET', path, query, headers: { accept: 'application/json' } }),
    bytes: (path, query = {}) =>
      send(
        { method: 'GET', path, query, limitMs: timeoutMs },
        async (answer) => new Uint8Array(await answer.arrayBuffer()),
      ),
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
      sendForJson({
        method: 'POST',
        path,
        headers: { accept: 'application/json', 'content-type': 'application/json', 'idempotency-key': key },
        body: JSON.stringify(body),
        look: whereToLook(path, body, key),
      }),
    async operate(path, body, { key = randomUUID(), waitMs = 60_000 } = {}): Promise<Operation> {
      const giveUpAt = performance.now() + waitMs;
      let operation = await client.post<Operation>(path, body, key);
      while (operation.state === 'requested') {
        if (performance.now() > giveUpAt)
          throw new SluiceError(
            'timed_out',
            `the operation ${operation.id} was not decided within ${waitMs / 1_000} s`,
            { facts: { operation: operation.id, waitMs } },
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
      const theirs = await send({ method: 'GET', path: '/healthz', limitMs: timeoutMs }, dateOf);
      return Number.isNaN(theirs) ? 0 : Math.trunc((Date.now() - theirs) / 1_000) * 1_000;
    },
    async *log(path, query = {}, signal) {
      let from = 0;
      for (let vain = 0; ; ) {
        const withFrames = { ...query, frames: true, from };
        const { body, base } = await stream(path, withFrames, { accept: 'application/x-ndjson' }, signal);
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

  /** A body without a time limit, and the address that sends it. */
  async function stream(
    path: string,
    query: Query,
    headers: Record<string, string>,
    signal: AbortSignal | undefined,
  ): Promise<{ body: ReadableStream<Uint8Array>; base: string }> {
    return send({ method: 'GET', path, query, headers, signal: signal ?? null }, async (answer, base) => ({
      body: answer.body ?? new Blob([]).stream(),
      base,
    }));
  }

  /** Returns when the stream broke because its API is gone, so that it is opened again; throws any other error. */
  function mayBreak(error: unknown, base: string, signal: AbortSignal | undefined): void {
    const failure = failureOf(error, base, signal ?? options.signal ?? null);
    if (failure.code !== 'api_unreachable') throw failure;
    addresses.lost(base);
  }
  return client;
}

/** Text as one part of a path. */
export const part = (text: string): string => encodeURIComponent(text);

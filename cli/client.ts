/**
 * The API from outside: requests with one token, answers as the API gave them, refusals as `ApiProblem`. Every change carries an
 * `Idempotency-Key`, and a request that is repeated (no answer, or one that says 'later') carries the same key and the same body, so
 * that nothing happens twice (protocol B1).
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Operation } from '../api/schemas/operations.ts';
import type { Problem } from '../api/schemas/problem.ts';
import { ERRORS, type ExitCode, SluiceError } from '../errors.ts';
import { readEvents, type ServerEvent } from './server-events.ts';

export interface ClientOptions {
  /** `http://host:port`, without `/api/v1`. */
  readonly apiUrl: string;
  readonly token?: string | undefined;
  /** Language of titles and remedies. Default en. */
  readonly lang?: 'en' | 'zh';
  /** How long an API that does not answer, or answers 503, is asked again, ms. Default 5,000. */
  readonly patienceMs?: number;
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

type Value = string | number | boolean | undefined;
export type Query = Readonly<Record<string, Value | readonly string[]>>;

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
  readonly apiUrl: string;
  /** GET below `/api/v1`, the path beginning with `/`; lists in a query are joined by commas. */
  get<T>(path: string, query?: Query): Promise<T>;
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
  /** A text as it comes, e.g. a log that is followed. */
  text(path: string, query?: Query, signal?: AbortSignal): AsyncGenerator<string>;
}

const OPERATION_POLL_MS = 250;

export function createClient(options: ClientOptions): Client {
  const { patienceMs = 5_000, timeoutMs = 60_000 } = options;
  const base = options.apiUrl.replace(/\/+$/, '');

  async function ask(
    method: string,
    path: string,
    query: Query,
    init: RequestInit,
    limitMs?: number,
  ): Promise<Response> {
    const url = `${base}/api/v1${path}${queryText(query)}`;
    const headers = new Headers(init.headers);
    headers.set('accept-language', options.lang ?? 'en');
    if (options.token !== undefined) headers.set('authorization', `Bearer ${options.token}`);
    const giveUpAt = performance.now() + patienceMs;
    for (let delay = 100; ; delay = Math.min(2_000, delay * 2)) {
      const later = performance.now() + delay < giveUpAt;
      let answer: Response;
      const signals = [
        init.signal,
        options.signal,
        limitMs === undefined ? null : AbortSignal.timeout(limitMs),
      ];
      try {
        answer = await fetch(url, {
          ...init,
          method,
          headers,
          signal: AbortSignal.any(signals.filter((it) => it !== null && it !== undefined)),
        });
      } catch (error) {
        const failure = failureOf(error, base, init.signal ?? options.signal ?? null);
        if (failure.code !== 'api_unreachable' || !later) throw failure;
        await wait(delay);
        continue;
      }
      if (answer.ok) return answer;
      const problem = await problemOf(answer, method, path);
      if (!(problem.retryable && answer.status === 503 && later)) throw new ApiProblem(problem);
      await wait(delay);
    }
  }

  async function wait(ms: number): Promise<void> {
    await pause(ms, undefined, options.signal === undefined ? {} : { signal: options.signal }).catch(() => {
      throw interrupted();
    });
  }

  const json = async <T>(method: string, path: string, query: Query, init: RequestInit): Promise<T> => {
    const answer = await ask(method, path, query, init, timeoutMs);
    try {
      return answer.status === 204 ? (undefined as T) : ((await answer.json()) as T);
    } catch (error) {
      throw failureOf(error, base, options.signal ?? null);
    }
  };

  const client: Client = {
    apiUrl: base,
    get: (path, query = {}) => json('GET', path, query, { headers: { accept: 'application/json' } }),
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
      ),
    async operate(path, body, { key = randomUUID(), waitMs = 60_000 } = {}) {
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
        operation = await client.get<Operation>(`/operations/${part(operation.id)}`);
      }
      return operation;
    },
    async *events(path, query = {}, signal) {
      let last: string | null = null;
      for (;;) {
        const headers: Record<string, string> = { accept: 'text/event-stream' };
        if (last !== null) headers['last-event-id'] = last;
        const answer = await ask('GET', path, query, { headers, signal: signal ?? null });
        try {
          for await (const event of readEvents(answer.body!)) {
            if (event.id !== null) last = event.id;
            yield event;
          }
        } catch (error) {
          const failure = failureOf(error, base, signal ?? options.signal ?? null);
          if (failure.code !== 'api_unreachable') throw failure;
        }
        // The stream ended or broke: the API was restarted, or the network cut it.
        await wait(200);
      }
    },
    async clockOffset() {
      const answer = await ask('GET', '/healthz', {}, {}, timeoutMs);
      await answer.body?.cancel();
      const told = Date.parse(answer.headers.get('date') ?? '');
      return Number.isNaN(told) ? 0 : Math.trunc((Date.now() - told) / 1_000) * 1_000;
    },
    async *text(path, query = {}, signal) {
      const answer = await ask('GET', path, query, {
        headers: { accept: 'text/plain' },
        signal: signal ?? null,
      });
      if (answer.body === null) return;
      try {
        for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) yield chunk;
      } catch (error) {
        throw failureOf(error, base, signal ?? options.signal ?? null);
      }
    },
  };
  return client;
}

/** One part of a path. */
export const part = (text: string): string => encodeURIComponent(text);

function queryText(query: Query): string {
  const pairs = Object.entries(query).flatMap(([name, value]): [string, string][] => {
    if (value === undefined) return [];
    const text = Array.isArray(value) ? value.join(',') : String(value);
    return text === '' ? [] : [[name, text]];
  });
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs)}`;
}

const interrupted = (): SluiceError =>
  new SluiceError('interrupted', 'stopped by the person at the terminal');

/** Why there was no answer, or why it broke off. */
function failureOf(error: unknown, base: string, signal: AbortSignal | null): SluiceError {
  if (error instanceof SluiceError) return error;
  if (signal?.aborted) return interrupted();
  if (error instanceof Error && error.name === 'TimeoutError')
    return new SluiceError('timed_out', `${base} took too long to answer`, {
      cause: error,
      facts: { apiUrl: base },
    });
  if (error instanceof Error && error.name === 'AbortError') return interrupted();
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const why =
    cause instanceof AggregateError
      ? String(cause.errors[0])
      : cause instanceof Error
        ? cause.message
        : String(cause);
  return new SluiceError('api_unreachable', `no answer from ${base}: ${why}`, {
    cause: error,
    facts: { apiUrl: base },
  });
}

/** The problem of an answer; what stands between us and the API (a proxy) may answer with something else. */
async function problemOf(answer: Response, method: string, path: string): Promise<Problem> {
  const body = await answer.text().catch(() => '');
  if (/json/.test(answer.headers.get('content-type') ?? '')) {
    try {
      const problem = JSON.parse(body) as Partial<Problem>;
      if (typeof problem.code === 'string' && typeof problem.detail === 'string') return problem as Problem;
    } catch {
      // Not JSON after all.
    }
  }
  const retryable = answer.status === 502 || answer.status === 503 || answer.status === 504;
  return {
    type: 'urn:sluice:error:internal',
    title: ERRORS.internal.en,
    status: retryable ? 503 : answer.status,
    detail: `${method} ${path} was answered with ${answer.status} ${answer.statusText}`.trim(),
    instance: path,
    code: 'internal',
    remedy: ERRORS.internal.remedy.en,
    retryable,
    facts: {},
    traceId: answer.headers.get('x-trace-id') ?? '',
  };
}

/**
 * The agent's calls to the API: JSON over kept-alive connections. A call repeats its identical body until there is an answer
 * (protocol C1), and goes to the next API when one of several does not answer. It uses node:http, because fetch takes twice the
 * processor time for each of these small calls.
 */
import http from 'node:http';
import https from 'node:https';
import type { z } from 'zod';
import { addressesOf, isAway } from '../contract/addresses.ts';

/** Timeout of one try, ms, unless the caller sets another. */
const TIMEOUT_MS = 15_000;
/** Pauses between tries, ms: the first, and the longest. They double in between. */
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5_000;

export type Operation =
  | 'hello'
  | 'claim'
  | 'started'
  | 'heartbeat'
  | 'complete'
  | 'logs'
  | 'leave'
  | 'corrections';

/** The API answered with an error. `code` is that of its problem+json, if it sent one. */
export class ApiRefusal extends Error {
  override name = 'ApiRefusal';
  readonly status: number;
  readonly code: string;
  readonly retryAfterMs: number | undefined;

  constructor(status: number, code: string, detail: string, retryAfterMs: number | undefined) {
    super(detail);
    this.status = status;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }

  /** The API will never accept this body. Any other refusal may pass: a restart, a new token, load. */
  get final(): boolean {
    return [400, 409, 410, 413, 415, 422].includes(this.status);
  }
}

export interface CallOptions {
  /** Time within which the answer must arrive, ms; default 15 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface RetryOptions extends CallOptions {
  /** Called after each failed try. When it returns `false`, the call rejects with that error. */
  readonly onFailure?: (error: Error, tries: number) => boolean | undefined;
}

export interface ApiClient {
  /** Tries once. Rejects with ApiRefusal, or with the error of the connection. */
  call<T>(operation: Operation, body: string, answer: z.ZodType<T>, options?: CallOptions): Promise<T>;
  /** Repeats the identical body until it is answered. Rejects with a final refusal, or when the signal aborts. */
  callUntilAnswered<T>(
    operation: Operation,
    body: string,
    answer: z.ZodType<T>,
    options?: RetryOptions,
  ): Promise<T>;
  close(): void;
}

/** `apiUrl`: one address or several (`addressesOf`), without `/api/v1`; `token`: the agent's bearer token. */
export function createApiClient(options: { apiUrl: string; agent: string; token: string }): ApiClient {
  const addresses = addressesOf(options.apiUrl);
  const several = addresses.all.length > 1;
  const connections = new Map(
    addresses.all.map((address) => [address, connectionTo(address, options.agent)]),
  );

  const call = <T>(operation: Operation, body: string, answer: z.ZodType<T>, callOptions: CallOptions = {}) =>
    new Promise<T>((resolve, reject) => {
      const { timeoutMs = TIMEOUT_MS, signal } = callOptions;
      const address = addresses.current();
      const { request, agent, urlOf } = connections.get(address)!;
      const failed = (error: Error): void => {
        clearTimeout(timer);
        if (!signal?.aborted) addresses.lost(address);
        reject(error);
      };
      const sent = request(
        urlOf(operation),
        {
          method: 'POST',
          agent,
          ...(signal === undefined ? {} : { signal }),
          headers: {
            authorization: `Bearer ${options.token}`,
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', failed);
          response.on('end', () => {
            clearTimeout(timer);
            if (isAway(response.statusCode ?? 0)) addresses.lost(address);
            try {
              resolve(answerOf(response, Buffer.concat(chunks).toString('utf8'), answer));
            } catch (error) {
              reject(error);
            }
          });
        },
      );
      const timer = setTimeout(() => {
        sent.destroy(new Error(`no answer to ${operation} in ${timeoutMs} ms`));
        // This API is frozen or cut off. Other calls that wait for it, such as a claim, go to another API at once.
        if (several) agent.destroy();
      }, timeoutMs);
      sent.on('error', failed);
      sent.end(body);
    });

  return {
    call,
    async callUntilAnswered(operation, body, answer, retry = {}) {
      for (let tries = 1; ; tries++) {
        try {
          return await call(operation, body, answer, retry);
        } catch (error) {
          if (retry.signal?.aborted || (error instanceof ApiRefusal && error.final)) throw error;
          if (retry.onFailure?.(error as Error, tries) === false) throw error;
          // Every API is tried once before the first pause.
          if (tries % addresses.all.length !== 0 && mayAnswerElsewhere(error)) continue;
          const requestedMs = error instanceof ApiRefusal ? error.retryAfterMs : undefined;
          await pause(requestedMs ?? backOff(tries), retry.signal);
        }
      }
    },
    close: () => {
      for (const { agent } of connections.values()) agent.destroy();
    },
  };
}

/** How one API is reached. Each API has connections of its own, which are kept. */
function connectionTo(address: string, agent: string) {
  const base = new URL(`api/v1/agents/${encodeURIComponent(agent)}/`, `${address}/`);
  const { Agent, request } = base.protocol === 'https:' ? https : http;
  const urls = new Map<Operation, URL>();
  const urlOf = (operation: Operation) => {
    let url = urls.get(operation);
    if (url === undefined) {
      url = new URL(operation, base);
      urls.set(operation, url);
    }
    return url;
  };
  return { request, urlOf, agent: new Agent({ keepAlive: true, maxSockets: 16 }) };
}

/** Whether another API may answer a call that this one did not. */
const mayAnswerElsewhere = (error: unknown): boolean =>
  !(error instanceof ApiRefusal) || isAway(error.status);

/** Pause before the next try, ms. It doubles up to 5 s and is randomised, so that many agents do not come back at the same moment. */
function backOff(tries: number): number {
  const ms = Math.min(FIRST_RETRY_MS * 2 ** (tries - 1), LONGEST_RETRY_MS);
  return ms * (0.5 + Math.random() / 2);
}

/** Resolves after `ms`. Rejects when the signal aborts. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(new Error('aborted'));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
}

function answerOf<T>(response: http.IncomingMessage, text: string, answer: z.ZodType<T>): T {
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) return answer.parse(text === '' ? {} : JSON.parse(text));
  let problem: { code?: unknown; detail?: unknown } = {};
  try {
    problem = JSON.parse(text) as typeof problem;
  } catch {
    // A proxy's page: the status says enough.
  }
  const seconds = Number(response.headers['retry-after']);
  throw new ApiRefusal(
    status,
    typeof problem.code === 'string' ? problem.code : `http_${status}`,
    typeof problem.detail === 'string' ? problem.detail : `the API answered ${status}`,
    seconds > 0 ? Math.min(seconds * 1_000, 60_000) : undefined,
  );
}

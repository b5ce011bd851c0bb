/**
 * How an agent speaks to the API: JSON over kept-alive connections, and the identical body again until there is an
 * answer (protocol C1), at the next API when one of several is lost. node:http, because fetch costs twice the time for each of these
 * small calls.
 */
import http from 'node:http';
import https from 'node:https';
import type { z } from 'zod';
import { addressesOf, isAway } from '../contract/addresses.ts';

const TIMEOUT_MS = 15_000;
const FIRST_RETRY_MS = 100;
const LAST_RETRY_MS = 5_000;

export type Operation = 'hello' | 'claim' | 'started' | 'heartbeat' | 'complete' | 'logs' | 'leave';

/** The API answered, and not with success. `code` is the one of its problem+json, if it sent one. */
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

  /** The same body will never be accepted; everything else may pass: restarts, rotated tokens, load. */
  get final(): boolean {
    return [400, 409, 410, 413, 415, 422].includes(this.status);
  }
}

export interface CallOptions {
  /** Until the answer must be there; default 15 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface PatientOptions extends CallOptions {
  /** Told of each failed try; its `false` ends the trying with that error. */
  readonly onFailure?: (error: Error, tries: number) => boolean | undefined;
}

export interface ApiClient {
  /** One try. Rejects with ApiRefusal, or with the error of the connection. */
  call<T>(operation: Operation, body: string, answer: z.ZodType<T>, options?: CallOptions): Promise<T>;
  /** Tries the identical body until it is answered; rejects for a final refusal or when the signal aborts. */
  callUntilAnswered<T>(
    operation: Operation,
    body: string,
    answer: z.ZodType<T>,
    options?: PatientOptions,
  ): Promise<T>;
  close(): void;
}

/** `apiUrl`: one address or several (`addressesOf`), without `/api/v1`; `token`: the agent's bearer token. */
export function createApiClient(options: { apiUrl: string; agent: string; token: string }): ApiClient {
  const addresses = addressesOf(options.apiUrl);
  const several = addresses.all.length > 1;
  const doors = new Map(addresses.all.map((address) => [address, doorOf(address, options.agent)]));

  const call = <T>(operation: Operation, body: string, answer: z.ZodType<T>, callOptions: CallOptions = {}) =>
    new Promise<T>((resolve, reject) => {
      const { timeoutMs = TIMEOUT_MS, signal } = callOptions;
      const address = addresses.current();
      const { request, agent, urlOf } = doors.get(address)!;
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
              resolve(understood(response, Buffer.concat(chunks).toString('utf8'), answer));
            } catch (error) {
              reject(error);
            }
          });
        },
      );
      const timer = setTimeout(() => {
        sent.destroy(new Error(`no answer to ${operation} in ${timeoutMs} ms`));
        // It is frozen or cut off: what else waits for it, a claim above all, is better asked elsewhere at once.
        if (several) agent.destroy();
      }, timeoutMs);
      sent.on('error', failed);
      sent.end(body);
    });

  return {
    call,
    async callUntilAnswered(operation, body, answer, patience = {}) {
      for (let tries = 1; ; tries++) {
        try {
          return await call(operation, body, answer, patience);
        } catch (error) {
          if (patience.signal?.aborted || (error instanceof ApiRefusal && error.final)) throw error;
          if (patience.onFailure?.(error as Error, tries) === false) throw error;
          // Each of several APIs is asked before anybody waits.
          if (tries % addresses.all.length !== 0 && elsewhere(error)) continue;
          const asked = error instanceof ApiRefusal ? error.retryAfterMs : undefined;
          await pause(asked ?? backOff(tries), patience.signal);
        }
      }
    },
    close: () => {
      for (const { agent } of doors.values()) agent.destroy();
    },
  };
}

/** What one API is reached by: connections are kept for each of them. */
function doorOf(address: string, agent: string) {
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

/** Whether another API may answer what this one did not. */
const elsewhere = (error: unknown): boolean => !(error instanceof ApiRefusal) || isAway(error.status);

/** Doubles up to 5 s; spread, so that many agents do not come back in one moment. */
function backOff(tries: number): number {
  const ms = Math.min(FIRST_RETRY_MS * 2 ** (tries - 1), LAST_RETRY_MS);
  return ms * (0.5 + Math.random() / 2);
}

/** Rejects with the signal's abort. */
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

function understood<T>(response: http.IncomingMessage, text: string, answer: z.ZodType<T>): T {
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

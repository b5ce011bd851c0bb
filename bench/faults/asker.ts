/**
 * How an operator asks while faults strike: each change carries an idempotency key and is repeated, at the one API or the other, until there is an
 * answer that says what came of it (protocol B1, B2). What was answered is kept by the one who asked: the record must agree.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Operation } from '../../contract/operations.ts';
import type { Problem } from '../../contract/problem.ts';

export interface Acknowledged {
  readonly operator: string;
  readonly key: string;
  readonly run: string;
  readonly verb: string;
  /** Flows, or `from -> to`. */
  readonly targets: readonly string[];
  /**
   * `applied`, `refused`: an operation with that outcome. `rejected`: turned away at the door, no operation. `opened`: a run.
   * `unanswered`: given up when the time was over.
   */
  outcome: 'applied' | 'refused' | 'approval_required' | 'rejected' | 'opened' | 'unanswered';
  /** Set as soon as any answer named it, also a 202. */
  operation: string | null;
  code: string | null;
  tries: number;
}

const ANSWER_MS = 15_000;
const AGAIN_MS = 150;

export interface Asker {
  /** Undefined when no API answered, or with anything but success: a read is not repeated. */
  read<T>(path: string): Promise<T | undefined>;
  /** A POST that is no operation, asked once: a rerun plan. */
  attempt<T>(path: string, body: unknown): Promise<T | undefined>;
  /** A POST that is no operation, repeated until an API accepts it or refuses it; undefined: it was refused, or given up. */
  insist<T>(path: string, body: unknown, key?: string): Promise<T | undefined>;
  /** Repeats until answered or `giveUp` is aborted. */
  operate(given: {
    path: string;
    body: unknown;
    key: string;
    run: string;
    verb: string;
    targets: readonly string[];
  }): Promise<Acknowledged>;
}

/** `internal` gets each 5xx that is not an outage, with what was asked. */
export function createAsker(options: {
  operator: string;
  token: string;
  apiUrls: readonly string[];
  ledger: Acknowledged[];
  giveUp: AbortSignal;
  internal: (text: string) => void;
}): Asker {
  const { operator, token, apiUrls, ledger, giveUp } = options;
  let turn = 0;

  async function ask(method: string, path: string, body?: unknown, key?: string) {
    const base = apiUrls[turn % apiUrls.length]!;
    const answer = await fetch(`${base}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(key === undefined ? {} : { 'idempotency-key': key }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.any([AbortSignal.timeout(ANSWER_MS), giveUp]),
    });
    const json = (await answer.json()) as unknown;
    if (answer.status === 500) options.internal(`${method} ${path}: ${JSON.stringify(json).slice(0, 400)}`);
    return { status: answer.status, ok: answer.ok, body: json };
  }

  async function once<T>(method: string, path: string, body?: unknown): Promise<T | undefined> {
    try {
      const answer = await ask(method, path, body);
      return answer.ok ? (answer.body as T) : undefined;
    } catch {
      turn++;
      return undefined;
    }
  }

  return {
    read: (path) => once('GET', path),
    attempt: (path, body) => once('POST', path, body),
    async insist<T>(path: string, body: unknown, key?: string) {
      while (!giveUp.aborted) {
        try {
          const answer = await ask('POST', path, body, key);
          if (answer.ok) return answer.body as T;
          if (!isPassing(answer.status)) return undefined;
        } catch {
          turn++;
        }
        await pause(AGAIN_MS, undefined, { signal: giveUp }).catch(() => {});
      }
      return undefined;
    },
    async operate({ path, body, key, run, verb, targets }) {
      const mine: Acknowledged = {
        operator,
        key,
        run,
        verb,
        targets,
        tries: 0,
        outcome: 'unanswered',
        operation: null,
        code: null,
      };
      ledger.push(mine);
      while (!giveUp.aborted) {
        mine.tries++;
        try {
          // Once it has an address it is asked for there: it was taken on, and must never be lost.
          const answer =
            mine.operation === null
              ? await ask('POST', path, body, key)
              : await ask('GET', `/operations/${mine.operation}`);
          if (note(mine, answer)) return mine;
        } catch {
          turn++;
        }
        await pause(AGAIN_MS, undefined, { signal: giveUp }).catch(() => {});
      }
      return mine;
    },
  };
}

/** Whether the same request may be accepted later. */
const isPassing = (status: number): boolean => status >= 500 || status === 429 || status === 408;

/** True when the answer is final. */
function note(mine: Acknowledged, answer: { status: number; ok: boolean; body: unknown }): boolean {
  if (answer.ok) {
    if (mine.verb === 'open') {
      mine.outcome = 'opened';
      return true;
    }
    const operation = answer.body as Operation;
    mine.operation = operation.id;
    if (operation.state === 'requested') return false;
    mine.outcome = operation.state;
    mine.code = operation.outcome?.code ?? null;
    return true;
  }
  if (isPassing(answer.status)) return false;
  const problem = answer.body as Problem;
  // Asked for by its address and not found: what was acknowledged is gone. The check of the record says so.
  if (mine.operation !== null && answer.status === 404) return true;
  const operation = problem.facts?.operation;
  mine.code = problem.code;
  if (mine.verb === 'open' && problem.code === 'run_exists') {
    mine.outcome = 'opened';
    return true;
  }
  if (typeof operation === 'string') {
    mine.operation = operation;
    mine.outcome = 'refused';
  } else mine.outcome = 'rejected';
  return true;
}

/** What operators asked, how long each waited, and what was not answered: the figures by which a loss is noticed or not. */
import { ApiProblem } from '../../cli/client.ts';
import { percentile } from '../load/percentile.ts';

/** `command`: the command line as a process, with its start. */
export type RequestKind = 'read' | 'verb' | 'command';

/**
 * The longest that an operator waits, ms. A verb is answered when a coordinator has decided it: one whose worker died in the middle of a task
 * moves after 10 s (workflows/messages.ts), and the other worker replays it first.
 */
export const BOUND_MS: Readonly<Record<RequestKind, number>> = { read: 3_000, verb: 30_000, command: 8_000 };

interface Request {
  readonly kind: RequestKind;
  readonly what: string;
  /** Of `performance.now()`. */
  readonly from: number;
  readonly to: number;
  /** null: answered, also by a refusal that the rules ask for. */
  readonly failure: string | null;
}

export interface KindFigures {
  readonly n: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly worstMs: number;
  readonly boundMs: number;
}

export class Requests {
  readonly #all: Request[] = [];

  note(request: Request): void {
    this.#all.push(request);
  }

  /** Asks and notes it. Null when it failed, or was refused by the rules: the flow has moved on meanwhile. */
  async ask<T>(kind: RequestKind, what: string, call: () => Promise<T>): Promise<T | null> {
    const from = performance.now();
    const note = (failure: string | null): void =>
      this.note({ kind, what, from, to: performance.now(), failure });
    try {
      const answer = await call();
      note(null);
      return answer;
    } catch (error) {
      const refused = error instanceof ApiProblem && error.problem.status === 409;
      note(refused ? null : `${what}: ${error instanceof Error ? error.message : String(error)}`);
      return null;
    }
  }

  /** The longest wait among those that were under way at some time between two instants, ms. */
  worstBetween(from: number, to: number): Readonly<Record<RequestKind, number>> {
    const worst = (kind: RequestKind): number =>
      Math.round(
        Math.max(
          0,
          ...this.#all
            .filter((item) => item.kind === kind && item.to >= from && item.from <= to)
            .map((item) => item.to - item.from),
        ),
      );
    return { read: worst('read'), verb: worst('verb'), command: worst('command') };
  }

  figures(): Record<RequestKind, KindFigures> {
    const of = (kind: RequestKind): KindFigures => {
      const waits = this.#all
        .filter((item) => item.kind === kind)
        .map((item) => Math.round(item.to - item.from));
      return {
        n: waits.length,
        p50Ms: percentile(waits, 0.5),
        p99Ms: percentile(waits, 0.99),
        worstMs: Math.max(0, ...waits),
        boundMs: BOUND_MS[kind],
      };
    };
    return { read: of('read'), verb: of('verb'), command: of('command') };
  }

  /** What an operator would have noticed. */
  noticed(): string[] {
    return this.#all.flatMap(({ kind, what, from, to, failure }) => {
      if (failure !== null) return [failure];
      const ms = Math.round(to - from);
      return ms > BOUND_MS[kind] ? [`${what} took ${ms} ms, more than ${BOUND_MS[kind]}`] : [];
    });
  }
}

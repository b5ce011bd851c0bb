/** Rebuilds the state of a run from the record (protocol A9). Runs inside the workflow; store/record/run-state.ts reads the rows. */
import type { Graph } from '../compiled/compact.ts';
import { derive, emptyState, type PersonMoment, type RunState } from './state.ts';
import type { Subscription } from './subscriptions.ts';

/** One snapshot of the record as plain JSON. Holds only flows that differ from those of a new run. */
export interface StoredRun {
  readonly exchange: number;
  readonly cursor: number;
  readonly now: number;
  readonly openedAt: number;
  readonly graceMs: number;
  readonly closed: boolean;
  readonly finished: boolean;
  /** [v, generation, attempt, result, flags, due, used, released, phase, asked]; without the phase, that of now is taken; without `asked`, 0. */
  readonly rows: readonly (readonly number[])[];
  /** [v, start time] */
  readonly starts: readonly (readonly [number, number])[];
  readonly waived: readonly number[];
  readonly waivedInvalid: readonly number[];
  readonly waivedForeign: readonly number[];
  readonly subscriptions: StoredSubscriptions;
  /** [number of the subscription, 1 met | 2 met tainted] */
  readonly foreignMet: readonly (readonly [number, 0 | 1 | 2])[];
  readonly moments: readonly PersonMoment[];
  /** [v, 1 sent | 2 started] */
  readonly leases: readonly (readonly [number, 1 | 2])[];
}

/** Rows are [v, index of the upstream flow, index of its run], in the order of graph/run/subscriptions.ts: names come once. */
export interface StoredSubscriptions {
  readonly flows: readonly string[];
  readonly runs: readonly string[];
  readonly rows: readonly (readonly number[])[];
}

/** Subscriptions as plain JSON. O(S). */
export function storedSubscriptions(list: readonly Subscription[]): StoredSubscriptions {
  const flows = new Map<string, number>();
  const runs = new Map<string, number>();
  const place = (names: Map<string, number>, name: string): number => {
    const known = names.get(name);
    if (known !== undefined) return known;
    names.set(name, names.size);
    return names.size - 1;
  };
  const rows = list.map(({ v, from, run }) => [v, place(flows, from), place(runs, run)]);
  return { flows: [...flows.keys()], runs: [...runs.keys()], rows };
}

/** The state of a run from its snapshot. O(V + E). */
export function restoreState(graph: Graph, stored: StoredRun): RunState {
  const { openedAt, now, graceMs } = stored;
  const { runs, flows, rows } = stored.subscriptions;
  const subscriptions = rows.map(([v, from, run]) => ({ v: v!, from: flows[from!]!, run: runs[run!]! }));
  const s = emptyState(graph, { openedAt, now, graceMs, subscriptions });
  s.exchange = stored.exchange;
  s.cursor = stored.cursor;
  s.closed = stored.closed;
  s.finished = stored.finished;
  for (const row of stored.rows) {
    const [v, generation, attempt, result, flags, due, used, released, , asked] = row;
    s.generation[v!] = generation!;
    s.attempt[v!] = attempt!;
    s.result[v!] = result!;
    s.flags[v!] = flags!;
    s.due[v!] = due!;
    s.used[v!] = used!;
    s.released[v!] = released!;
    s.asked[v!] = asked ?? 0;
  }
  for (const [v, at] of stored.starts) s.start[v] = at;
  for (const e of stored.waived) s.waived[e] = 1;
  for (const i of stored.waivedInvalid) s.waivedInvalid[i] = 1;
  for (const i of stored.waivedForeign) s.waivedForeign[i] = 1;
  for (const [i, met] of stored.foreignMet) s.foreignMet[i] = met;
  for (const [v, known] of stored.leases) s.lease[v] = known;
  const restored: RunState = { ...s, moments: stored.moments };
  derive(graph, restored);
  for (const row of stored.rows) restored.phase[row[0]!] = row[8] ?? restored.phase[row[0]!]!;
  return restored;
}

/**
 * Edges of a run to other runs (protocol A11): one subscription for each flow that waits and each upstream run that it waits for. An edge
 * `everyDayOfMonth` makes thirty of them. They are fixed when the run is opened; graph/run/foreign-runs.ts says which runs an edge means.
 */
export interface Subscription {
  /** The flow that waits. */
  readonly v: number;
  /** What it waits for. */
  readonly from: string;
  readonly run: string;
}

/** Those of flow `v` are `list[off[v]] .. list[off[v + 1] - 1]`. */
export interface Subscriptions {
  readonly off: Int32Array;
  readonly list: readonly Subscription[];
  /** Upstream run and flow -> numbers of the subscriptions to it. */
  readonly byUpstream: ReadonlyMap<string, readonly number[]>;
}

/** Sorts subscriptions by flow, upstream and run, so that their numbers do not depend on the order in which they are given. O(S log S). */
export function subscriptionsOf(n: number, given: readonly Subscription[]): Subscriptions {
  const list = [...given].sort((a, b) => a.v - b.v || compare(a.from, b.from) || compare(a.run, b.run));
  const off = new Int32Array(n + 1);
  for (const { v } of list) off[v + 1]!++;
  for (let v = 0; v < n; v++) off[v + 1]! += off[v]!;
  const byUpstream = new Map<string, number[]>();
  list.forEach(({ run, from }, i) => {
    const known = byUpstream.get(upstreamKey(run, from));
    if (known === undefined) byUpstream.set(upstreamKey(run, from), [i]);
    else known.push(i);
  });
  return { off, list, byUpstream };
}

const upstreamKey = (run: string, flow: string): string => `${run} ${flow}`;

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Numbers of the subscriptions to a flow of another run. O(1). */
export const subscribersTo = ({ byUpstream }: Subscriptions, run: string, from: string): readonly number[] =>
  byUpstream.get(upstreamKey(run, from)) ?? [];

/**
 * News of a subscription (`index`). `met`: 0 the upstream is not done, or not any more; 1 done; 2 done and tainted. `redone`: the upstream has
 * another result than the one that was used.
 */
export interface UpstreamChange {
  readonly index: number;
  readonly met: 0 | 1 | 2;
  readonly redone: boolean;
}

/** What another run reports to its subscribers: the body of a log row of kind `external`. See `UpstreamChange` for `met` and `redone`. */
export interface UpstreamNews {
  readonly type: 'upstream';
  readonly run: string;
  readonly flows: readonly (readonly [flow: string, met: UpstreamChange['met'], redone: 0 | 1])[];
  readonly via: readonly string[];
}

/** The news by subscription, as the coordinator of the waiting run reads them. O(subscriptions that they are about). */
export function changesOf(subscriptions: Subscriptions, news: UpstreamNews): UpstreamChange[] {
  return news.flows.flatMap(([flow, met, redone]) =>
    subscribersTo(subscriptions, news.run, flow).map((index) => ({ index, met, redone: redone === 1 })),
  );
}

/**
 * Edges to other runs as a run has them (protocol A11): one subscription for each flow that waits and each run that it waits for. An edge
 * of the catalogue to `everyDayOfMonth` is thirty of them. Fixed when the run is opened; graph/run/foreign-runs.ts says which runs are meant.
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

/** Sorts by flow, upstream and run, so that their numbers are a function of what they are. O(S log S). */
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

/** `index`: the subscription. `met`: 0 not (any more), 1 done, 2 done and tainted. `redone`: what was used of it is not what counts now. */
export interface UpstreamChange {
  readonly index: number;
  readonly met: 0 | 1 | 2;
  readonly redone: boolean;
}

/**
 * What another run tells its subscribers: body of a log row of kind `external`. Each flow: its id, what it is now, 1 when what was used of
 * it is not what counts now.
 */
export interface UpstreamNews {
  readonly type: 'upstream';
  readonly run: string;
  readonly flows: readonly (readonly [flow: string, met: UpstreamChange['met'], redone: 0 | 1])[];
  readonly via: readonly string[];
}

/** News as the waiting run's coordinator hears them. */
export function changesOf(subscriptions: Subscriptions, news: UpstreamNews): UpstreamChange[] {
  return news.flows.flatMap(([flow, met, redone]) =>
    subscribersTo(subscriptions, news.run, flow).map((index) => ({ index, met, redone: redone === 1 })),
  );
}

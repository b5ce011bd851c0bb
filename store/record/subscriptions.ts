/**
 * Edges to other runs (protocol A11). A row of `subscriptions` has two halves, each written by the exchange of one run. `told`: what the run
 * of the upstream flow last wrote into the log of the waiting run; its exchange locks the counter row of the waiting run for that. `released_ms`
 * and `tainted`: what the waiting run has read of it in its log. Lock order: advisory locks of run ids, then counter rows by run id (protocol A10).
 * docs/decisions/0006.
 */

import { reachOf } from '../../graph/compiled/reach.ts';
import type { Effect, FlowChange, Group } from '../../graph/run/decisions.ts';
import { FLAG } from '../../graph/run/state.ts';
import { isReleasing } from '../../graph/run/status.ts';
import type { UpstreamChange } from '../../graph/run/subscriptions.ts';
import { type Subscription, subscribersTo, type UpstreamNews } from '../../graph/run/subscriptions.ts';
import type { Queryable } from '../schema/pool.ts';
import type { RunContext } from './run-context.ts';
import { appendLog, type LogRow, lockCounters, rowOfRun } from './run-log.ts';

type Met = UpstreamChange['met'];

/** Subscriptions that the run's exchanges have read as met, by their number; `met` 2: by a tainted result. */
export async function readMet(
  client: Queryable,
  { run, subscriptions, index }: RunContext,
): Promise<{ i: number; met: 1 | 2; at: number }[]> {
  if (subscriptions.list.length === 0) return [];
  const found = await client.query<{ flow: string; from: string; run: string; tainted: boolean; at: number }>(
    {
      name: 'read-met',
      text: `select flow_id as flow, upstream_flow as from, upstream_run as run, tainted, released_ms as at from subscriptions
      where run_id = $1 and released_ms is not null`,
      values: [run.id],
    },
  );
  return found.rows.flatMap((row) => {
    const v = index.get(row.flow);
    const i = subscribersTo(subscriptions, row.run, row.from).find(
      (entry) => subscriptions.list[entry]!.v === v,
    );
    return i === undefined ? [] : [{ i, met: row.tainted ? (2 as const) : (1 as const), at: row.at }];
  });
}

/**
 * Locks the id of the run that is opened (`own`) for itself alone, and the ids of the runs that it subscribes to shared with others, all in the
 * order of the ids. So an opening and a subscription to the same run never happen at once: either the subscription finds the run with its rows,
 * or the opening finds the subscription.
 */
async function lockIds(client: Queryable, own: string, upstreams: readonly string[]): Promise<void> {
  // One statement each: a set-returning one may take locks in another order than it is sorted.
  for (const id of [...new Set([own, ...upstreams])].sort())
    await client.query({
      name: id === own ? 'lock-own-id' : 'lock-upstream-id',
      text: `select pg_advisory_xact_lock${id === own ? '' : '_shared'}(hashtextextended($1, 11))`,
      values: [id],
    });
}

/** Everything that subscribing locks, for a transaction that locks more after it. */
export async function lockForSubscribing(
  client: Queryable,
  run: string,
  wanted: readonly Subscription[],
): Promise<void> {
  const upstreams = [...new Set(wanted.map((entry) => entry.run))];
  await lockIds(client, run, upstreams);
  await lockCounters(client, [...upstreams, run]);
}

/**
 * Subscribes a run, within the transaction that opens it or moves it to another catalogue version: rows, and what is done upstream already
 * as the first news in its log. Ends with the upstreams' counter rows locked, so it comes last. Two queries and its locks for a run without
 * edges to others.
 */
export async function subscribe(
  client: Queryable,
  run: string,
  ids: readonly string[],
  wanted: readonly Subscription[],
): Promise<void> {
  const upstreams = [...new Set(wanted.map((entry) => entry.run))].sort();
  await lockIds(client, run, upstreams);
  await client.query({
    name: 'find-subscribers',
    text: `update run_counters set subscribed = true where run_id = $1 and not subscribed
      and exists (select 1 from subscriptions where upstream_run = $1)`,
    values: [run],
  });
  if (wanted.length === 0) return;
  await lockCounters(client, [...upstreams, run]);
  await client.query({
    name: 'mark-subscribed',
    text: 'update run_counters set subscribed = true where run_id = any($1::text[]) and not subscribed',
    values: [upstreams],
  });
  const inserted = await client.query<{ run: string; flow: string; met: Met }>({
    name: 'subscribe',
    text: `insert into subscriptions (run_id, flow_id, upstream_run, upstream_flow, told)
      select $1, x.flow_id, x.upstream_run, x.upstream_flow,
        case when f.result in ('succeeded', 'skipped', 'force_passed') and f.flags & $5 = 0 then
          case when f.flags & $6 <> 0 then 2 else 1 end
          when x.upstream_flow = any(a.tainted) then 2 when x.upstream_flow = any(a.done) then 1 else 0 end
      from unnest($2::text[], $3::text[], $4::text[]) as x (flow_id, upstream_run, upstream_flow)
        left join run_flows f on f.run_id = x.upstream_run and f.flow_id = x.upstream_flow
        left join archived_runs a on a.run_id = x.upstream_run and f.run_id is null
      on conflict do nothing returning upstream_run as run, upstream_flow as flow, told as met`,
    values: [
      run,
      wanted.map((entry) => ids[entry.v]),
      wanted.map((entry) => entry.run),
      wanted.map((entry) => entry.from),
      FLAG.RETIRED,
      FLAG.TAINTED,
    ],
  });
  const done = new Map<string, Map<string, Met>>();
  for (const row of inserted.rows) {
    if (row.met === 0) continue;
    const flows = done.get(row.run) ?? new Map<string, Met>();
    done.set(row.run, flows.set(row.flow, row.met));
  }
  await appendLog(
    client,
    run,
    [...done].map(([upstream, flows]) =>
      newsRow({
        type: 'upstream',
        run: upstream,
        flows: [...flows].map(([id, met]) => [id, met, 0]),
        via: [],
      }),
    ),
  );
}

const newsRow = (news: UpstreamNews): LogRow => rowOfRun('external', news);

/** What a decision means for those that wait for the flow: whether it is done (`met`), or that it was redone (null), so its old result counts no more. */
interface FlowNews {
  readonly flow: string;
  readonly met: Met | null;
}

/** What the groups mean for other runs, whichever of them will be written. O(changes); O(V + E) when something was redone. */
function newsOf({ graph }: RunContext, groups: readonly Group[]): FlowNews[] {
  const news = new Map<string, FlowNews>();
  const add = (v: number, met: Met | null): void => {
    news.set(`${v} ${met}`, { flow: graph.ids[v]!, met });
  };
  for (const group of groups) {
    for (const change of group.changes) add(change.v, metOf(change));
    for (const effect of group.effects)
      if (effect.t === 'redone') for (const v of reachOf(graph, effect.roots).order) add(v, null);
  }
  return [...news.values()];
}

/** The news in the groups of one exchange. It is computed when it is first asked for: most runs have no subscribers. */
export function newsIn(context: RunContext, groups: readonly Group[]): () => readonly FlowNews[] {
  let news: readonly FlowNews[] | undefined;
  return () => {
    news ??= newsOf(context, groups);
    return news;
  };
}

/** Runs that wait for a flow of which the groups say something new: their counter rows have to be locked (protocol A10). */
export async function waitingRuns(
  client: Queryable,
  context: RunContext,
  news: readonly FlowNews[],
): Promise<string[]> {
  if (news.length === 0) return [];
  const found = await client.query<{ run_id: string }>({
    name: 'subscribers-of',
    text: `select distinct s.run_id from unnest($2::text[], $3::int[]) as x (flow_id, met)
      join subscriptions s on s.upstream_run = $1 and s.upstream_flow = x.flow_id and s.told is distinct from x.met`,
    values: [context.run.id, news.map((entry) => entry.flow), news.map((entry) => entry.met)],
  });
  return found.rows.map((row) => row.run_id);
}

/** Flows of other runs that wait for some flows of a run, by their run. */
export async function waitingFlows(
  client: Queryable,
  run: string,
  flows: readonly string[],
): Promise<Map<string, string[]>> {
  const found = await client.query<{ run: string; flows: string[] }>({
    name: 'users-of',
    text: `select run_id as run, array_agg(distinct flow_id) as flows from subscriptions
      where upstream_run = $1 and upstream_flow = any($2::text[]) group by run_id order by run_id`,
    values: [run, flows],
  });
  return new Map(found.rows.map((row) => [row.run, row.flows]));
}

/** Runs that probably wait for the news, by what this process has learned. It saves the exchange a second try; nothing relies on it. */
export function likelySubscribers(context: RunContext, news: () => readonly FlowNews[]): string[] {
  const by = context.kept.subscribers;
  if (by === null) return [];
  const runs = new Set<string>();
  for (const { flow, met } of news()) {
    if (met === 0) continue;
    for (const run of by.get(flow) ?? []) runs.add(run);
  }
  return [...runs];
}

/** Reads which runs wait for flows of this one, for `likelySubscribers`. */
export async function learnSubscribers(client: Queryable, context: RunContext): Promise<void> {
  const found = await client.query<{ flow: string; runs: string[] }>({
    name: 'all-subscribers',
    text: `select upstream_flow as flow, array_agg(distinct run_id) as runs from subscriptions where upstream_run = $1 group by 1`,
    values: [context.run.id],
  });
  context.kept.subscribers = new Map(found.rows.map((row) => [row.flow, row.runs]));
}

/**
 * Writes what an exchange wrote into the logs of subscribers: releases, withdrawn releases, and what was redone. Their counter rows are
 * locked. A run that passed on the news of a redo does not get it again, so loops between runs come to an end.
 */
export async function notifySubscribers(
  client: Queryable,
  context: RunContext,
  writes: readonly FlowChange[],
  effects: readonly Effect[],
): Promise<void> {
  const { graph, run } = context;
  const id = run.id;
  const changed = await client.query<{ run: string; flow: string; met: Met }>({
    name: 'tell-subscribers',
    text: `update subscriptions s set told = x.met from unnest($2::text[], $3::int[]) as x (flow_id, met)
      where s.upstream_run = $1 and s.upstream_flow = x.flow_id and s.told <> x.met
      returning s.run_id as run, x.flow_id as flow, x.met`,
    values: [id, writes.map((w) => graph.ids[w.v]), writes.map(metOf)],
  });
  const news = new News();
  for (const { run: to, flow, met } of changed.rows) news.add(to, { via: [id], flow, met, redone: 0 });
  const redone = effects.filter((effect) => effect.t === 'redone');
  if (redone.length > 0) {
    const reached = redone.map(({ roots }) => reachOf(graph, roots));
    const flows = [...new Set(reached.flatMap(({ order }) => order))].map((v) => graph.ids[v]!);
    const found = await client.query<{ run: string; flow: string; met: Met }>({
      name: 'subscribers-below',
      text: `select distinct run_id as run, upstream_flow as flow, told as met from subscriptions
        where upstream_run = $1 and upstream_flow = any($2::text[])`,
      values: [id, flows],
    });
    for (const { run: to, flow, met } of found.rows)
      redone.forEach(({ via }, k) => {
        if (!via.includes(to) && reached[k]!.distance[context.index.get(flow)!] !== -1)
          news.add(to, { via: [...via, id], flow, met, redone: 1 });
      });
  }
  for (const [to, rows] of news.rows(id)) await appendLog(client, to, rows);
}

/** News for other runs, by run and by the way that it came. */
class News {
  readonly #byRun = new Map<
    string,
    Map<string, { via: readonly string[]; flows: Map<string, [Met, 0 | 1]> }>
  >();

  add(
    to: string,
    { via, flow, met, redone }: { via: readonly string[]; flow: string; met: Met; redone: 0 | 1 },
  ): void {
    const ways = this.#byRun.get(to) ?? new Map();
    this.#byRun.set(to, ways);
    const way = ways.get(via.join(' ')) ?? { via, flows: new Map() };
    ways.set(via.join(' '), way);
    way.flows.set(flow, [met, redone]);
  }

  rows(run: string): [string, LogRow[]][] {
    return [...this.#byRun]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([to, ways]) => [
        to,
        [...ways.values()].map(({ via, flows }) =>
          newsRow({
            type: 'upstream',
            run,
            flows: [...flows].map(([flow, [met, redone]]) => [flow, met, redone]),
            via,
          }),
        ),
      ]);
  }
}

function metOf({ result, flags }: FlowChange): Met {
  if (!isReleasing(result) || (flags & FLAG.RETIRED) !== 0) return 0;
  return (flags & FLAG.TAINTED) !== 0 ? 2 : 1;
}

/** What the run's coordinator has taken in (effect `foreign`), the last word on each. */
export async function writeMet(
  client: Queryable,
  { run, graph, subscriptions }: RunContext,
  now: number,
  effects: readonly Extract<Effect, { t: 'foreign' }>[],
): Promise<void> {
  if (effects.length === 0) return;
  const last = [...new Map(effects.map(({ index, met }) => [index, met]))];
  const of = last.map(([index]) => subscriptions.list[index]!);
  await client.query({
    name: 'write-met',
    text: `update subscriptions s set released_ms = case when x.met = 0 then null else $2::bigint end, tainted = x.met = 2
      from unnest($3::text[], $4::text[], $5::text[], $6::int[]) as x (flow_id, upstream_run, upstream_flow, met)
      where s.run_id = $1 and s.flow_id = x.flow_id and s.upstream_run = x.upstream_run and s.upstream_flow = x.upstream_flow`,
    values: [
      run.id,
      now,
      of.map((entry) => graph.ids[entry.v]),
      of.map((entry) => entry.run),
      of.map((entry) => entry.from),
      last.map(([, met]) => met),
    ],
  });
}

/**
 * The exchange (protocol A5): the only writer of decisions. One transaction, made by two local activities that only the coordinator calls
 * (activities/index.ts). A local activity is started again when its workflow task fails, and a frozen worker may wake and commit late: so exchanges
 * are numbered and stored, and a caller that asks for number n again gets what was written as n.
 */
import { createHash } from 'node:crypto';
import type pg from 'pg';
import { claimsAsked } from '../graph/run/claims-asked.ts';
import type { Effect, ExchangeAnswer, FlowChange, Group } from '../graph/run/decisions.ts';
import { writeEffectsOneByOne } from '../store/record/effects-one-by-one.ts';
import { type Counter, lockCounter, readExchange, storeExchange } from '../store/record/exchanges.ts';
import { failRefused } from '../store/record/not-storable.ts';
import { writeEffects } from '../store/record/outcomes.ts';
import { writeRuleFacts } from '../store/record/rule-facts.ts';
import type { RunContext } from '../store/record/run-context.ts';
import {
  claimedFlows,
  type FlowWrite,
  keepGenerations,
  lockOutbox,
  writeFlows,
  writeOutbox,
  writeOutboxOneByOne,
} from '../store/record/run-flows.ts';
import { readLog, sendLockCounters } from '../store/record/run-log.ts';
import {
  learnSubscribers,
  likelySubscribers,
  newsIn,
  notifySubscribers,
  waitingRuns,
} from '../store/record/subscriptions.ts';
import { sendNotify } from '../store/schema/notify.ts';
import { inTransaction, type Queryable, type Transaction } from '../store/schema/pool.ts';
import { isRefusedContent } from '../store/schema/under-savepoint.ts';

export interface ExchangeRequest {
  readonly run: string;
  readonly n: number;
  readonly groups: readonly Group[];
  /** Version of the graph on which the groups were decided. */
  readonly graph: string;
  /** The coordinator wants a wake signal, even when its log has no new rows (workflows/run.ts). */
  readonly wake?: boolean;
  /** The last exchange before continue-as-new: no deliverer sends a signal until the next one (protocol A7). */
  readonly leaving?: boolean;
}

/**
 * Why nothing was written. `ahead`: the caller has seen exchanges that the record does not have (protocol A9). `pruned`: the caller has to load the run
 * again, because the exchange that it asks for is not kept any more, or because it decided on another graph than the run has now. (Histories
 * hold this word, so both reasons keep it.) `moved`: the run has adopted another catalogue version than that of the context (protocol D8).
 */
export type ExchangeResult = ExchangeAnswer | { readonly refused: 'ahead' | 'pruned' | 'moved' };

/** Most log rows in one answer (protocol A6). */
const READ_LIMIT = 500;

export async function exchange(
  pool: pg.Pool,
  context: RunContext,
  request: ExchangeRequest,
): Promise<ExchangeResult> {
  const news = newsIn(context, request.groups);
  let rowByRow = false;
  for (let subscribers: readonly string[] = likelySubscribers(context, news); ; ) {
    try {
      const result = await once(pool, context, request, { news, subscribers, rowByRow });
      if (!('unlocked' in result)) return result;
      subscribers = result.unlocked;
      await learnSubscribers(pool, context);
    } catch (error) {
      // The database refuses a content each time, so the exchange is tried once more, row by row (protocol A5).
      if (rowByRow || !isRefusedContent(error)) throw error;
      rowByRow = true;
    }
  }
}

/** How a transaction tries an exchange: with which news for other runs, which of these runs are locked with it, and whether it writes row by row. */
interface Try {
  readonly news: ReturnType<typeof newsIn>;
  readonly subscribers: readonly string[];
  readonly rowByRow: boolean;
}

/** `unlocked`: nothing was written, because these runs' counter rows have to be locked together with the run's own, by run id (protocol A10, A11). */
async function once(
  pool: pg.Pool,
  context: RunContext,
  request: ExchangeRequest,
  { news, subscribers, rowByRow }: Try,
): Promise<ExchangeResult | { readonly unlocked: readonly string[] }> {
  return inTransaction(pool, async (client) => {
    if (subscribers.length > 0) sendLockCounters(client, [request.run, ...subscribers]);
    const counter = await lockCounter(client, request.run);
    // These two come first, also when exchange n is stored: its flows are vertices of the run's present graph (protocol A5).
    if (counter.version !== context.run.catalogueVersion) return { refused: 'moved' };
    if (request.graph !== context.graph.version) return { refused: 'pruned' };
    if (counter.exchange >= request.n) return takeStored(client, context, request, counter);
    if (counter.exchange < request.n - 1) return { refused: 'ahead' };
    if (counter.subscribed && request.groups.length > 0) {
      const needed = await waitingRuns(client, context, news());
      if (needed.some((run) => run !== request.run && !subscribers.includes(run)))
        return { unlocked: needed };
    }
    return write(client, context, request, { counter, rowByRow });
  });
}

/**
 * Exchange n exists already: its decisions count, also when another worker made them. `adopted` has them when they are not those of the request,
 * so that the caller applies them instead of its own.
 */
async function takeStored(
  client: Queryable,
  context: RunContext,
  request: ExchangeRequest,
  counter: Counter,
): Promise<ExchangeResult> {
  const stored = await readExchange(client, request.run, request.n);
  if (stored === null) return { refused: 'pruned' };
  const entries = await readLog(client, context, {
    from: stored.seqFrom,
    to: stored.seqTo,
    limit: READ_LIMIT,
  });
  const own = stored.hash === hashOf(request.groups);
  // Later exchanges or log rows exist: the caller has to go on.
  const more = counter.exchange > request.n || stored.seqTo < counter.logSeq;
  return { ...stored.answer, entries, more, adopted: own ? null : stored.groups };
}

async function write(
  client: Transaction,
  context: RunContext,
  request: ExchangeRequest,
  { counter, rowByRow }: { readonly counter: Counter; readonly rowByRow: boolean },
): Promise<ExchangeAnswer> {
  const { run, n, groups } = request;
  const now = Math.max(counter.now, counter.clock);
  const { written, contradicting } = await verify(client, context, groups);
  const accepted = groups.slice(0, written);
  const refusedCount = await writeGroups(client, context, accepted, {
    now,
    subscribed: counter.subscribed,
    rowByRow,
  });
  const cursor = accepted.reduce((last, group) => Math.max(last, group.seq), counter.cursor);
  const entries = await readLog(client, context, { from: cursor, limit: READ_LIMIT });
  const seqTo = entries.at(-1)?.seq ?? cursor;
  const asked = claimsAsked(entries);
  const leases =
    asked === null
      ? contradicting
      : asked === 'all'
        ? await openLeases(client, context, null)
        : await leasesOf(client, context, asked, contradicting);
  const answer: ExchangeAnswer = {
    n,
    now,
    written,
    adopted: null,
    cursor,
    entries,
    leases,
    allLeases: asked === 'all',
    more: seqTo < counter.logSeq + refusedCount,
  };
  storeExchange(client, {
    run,
    groups,
    hash: hashOf(groups),
    answer,
    seqFrom: cursor,
    seqTo,
    leaving: request.leaving ?? false,
  });
  if (accepted.length > 0) sendNotify(client, 'sluice_run', run);
  if (request.wake === true) sendNotify(client, 'sluice_wake', run);
  return answer;
}

/**
 * How many groups, from the first, agree with the claims in the record. The first group that a claim contradicts and all groups after it are
 * not written.
 */
async function verify(
  client: Queryable,
  context: RunContext,
  groups: readonly Group[],
): Promise<{ written: number; contradicting: (readonly [number, 0 | 1 | 2])[] }> {
  const expecting = groups.flatMap((group) =>
    group.changes.filter((change) => change.expect !== 0).map((change) => change.v),
  );
  if (expecting.length === 0) return { written: groups.length, contradicting: [] };
  const claims = await lockOutbox(
    client,
    context.run.id,
    [...new Set(expecting)].map((v) => context.graph.ids[v]!),
  );
  const contradicts = ({ v, expect }: FlowChange): boolean => {
    const claim = claims.get(context.graph.ids[v]!);
    // No row: an earlier group of this exchange sends the flow to the outbox, so no agent can have claimed it.
    if (claim === undefined) return false;
    return expect !== 0 && (claim !== null) !== (expect === 2);
  };
  const settled = new Set<number>();
  for (let i = 0; i < groups.length; i++) {
    const expected = groups[i]!.changes.filter((change) => change.expect !== 0 && !settled.has(change.v));
    const against = expected.filter(contradicts);
    if (against.length > 0) {
      const ids = against.map(({ v }) => context.graph.ids[v]!);
      return { written: i, contradicting: await leasesOf(client, context, ids) };
    }
    // Later groups rest on what this one writes about the flow, not on the record.
    for (const change of groups[i]!.changes) settled.add(change.v);
  }
  return { written: groups.length, contradicting: [] };
}

/** Claims of the named flows, 0 = none, together with the `known` ones of others. Flows that the run does not have are left out. */
async function leasesOf(
  client: Queryable,
  context: RunContext,
  flows: readonly string[],
  known: readonly (readonly [number, 0 | 1 | 2])[] = [],
): Promise<(readonly [number, 0 | 1 | 2])[]> {
  const leases = new Map(known);
  for (const flow of flows) {
    const v = context.index.get(flow);
    if (v !== undefined) leases.set(v, 0);
  }
  for (const [v, lease] of await openLeases(client, context, flows)) leases.set(v, lease);
  return [...leases];
}

/**
 * Claimed flows among those named, or of the whole run: 1 = sent, 2 = started. A flow whose attempt has ended counts as started until the
 * coordinator reads the completion in its log.
 */
async function openLeases(
  client: Queryable,
  context: RunContext,
  flows: readonly string[] | null,
): Promise<(readonly [number, 0 | 1 | 2])[]> {
  const claimed = await claimedFlows(client, context.run.id, flows);
  return claimed.map((row) => [context.index.get(row.flow) ?? -1, row.started ? 2 : 1] as const);
}

/**
 * Writes what the accepted groups decided. Of each flow only its last change is written, all in one statement, or row by row after the
 * database has refused that. Answers how many flows the database has refused; each has made one log row.
 */
async function writeGroups(
  client: Transaction,
  context: RunContext,
  groups: readonly Group[],
  how: { readonly now: number; readonly subscribed: boolean; readonly rowByRow: boolean },
): Promise<number> {
  const { now, subscribed, rowByRow } = how;
  const effects: Effect[] = groups.flatMap((group) => group.effects);
  const triggered = new Set(effects.flatMap((effect) => (effect.t === 'triggered' ? [effect.v] : [])));
  const last = new Map<number, FlowWrite>();
  for (const change of groups.flatMap((group) => group.changes)) {
    const before = last.get(change.v);
    const released = change.released === -1 ? (before?.released ?? -1) : change.released;
    last.set(change.v, { ...change, released, triggered: triggered.has(change.v) });
  }
  const writes = [...last.values()].sort((a, b) => a.v - b.v);
  const { platforms, refusedFlows } = rowByRow
    ? await writeOutboxOneByOne(client, context, now, writes)
    : { platforms: writeOutbox(client, context, now, writes), refusedFlows: [] };
  const generations = effects.filter((effect) => effect.t === 'generation');
  keepGenerations(client, context, now, generations);
  await (rowByRow ? writeEffectsOneByOne : writeEffects)(client, context, now, effects);
  writeFlows(client, context, now, writes);
  writeRuleFacts(client, context, { now, writes, effects });
  await failRefused(client, context, now, refusedFlows);
  if (subscribed && groups.length > 0) await notifySubscribers(client, context, writes, effects);
  for (const platform of platforms) sendNotify(client, 'sluice_outbox', platform);
  return refusedFlows.length;
}

function hashOf(groups: readonly Group[]): string {
  return createHash('sha256').update(JSON.stringify(groups)).digest('base64url');
}

/** Reads the facts from which answers are made, in one snapshot with the state of the run (graph/run/run-facts.ts describes them). */
import type pg from 'pg';
import { AppliedPlan } from '../../graph/run/applied-plan.ts';
import type {
  Override,
  PastGeneration,
  PathFacts,
  Pause,
  WaitingClaim,
  WhyFacts,
} from '../../graph/run/run-facts.ts';
import type { RunState } from '../../graph/run/state.ts';
import { codeOf, type Result } from '../../graph/run/status.ts';
import { readFirst } from '../agents/claim-room.ts';
import {
  contentionOf,
  keptOf,
  readAgents,
  readHolders,
  readLeases,
  readLocks,
  readPools,
  readReleased,
} from '../agents/claim-side.ts';
import { readLastAttempts } from '../agents/last-attempts.ts';
import type { RunContext } from '../record/run-context.ts';
import { inSnapshot, type Reading, type Snapshot } from '../record/snapshot.ts';
import { readMet } from '../record/subscriptions.ts';
import { readUsual } from '../record/usual-times.ts';
import { freeText, readRows } from '../schema/rows-as-text.ts';
import { readAttemptColumns } from './attempt-columns.ts';
import { referenceTimes } from './reference-times.ts';

/** State and facts for `why`. An agent of which nothing was heard for `leaseMs` counts as not alive (protocol C8). */
export async function readWhyFacts(
  pool: pg.Pool,
  context: RunContext,
  limits: { readonly graceMs: number; readonly leaseMs: number },
): Promise<{ state: RunState; facts: WhyFacts }> {
  const read = (reading: Reading) =>
    Promise.all([
      readReleased(reading),
      readLeases(reading),
      readAgents(reading),
      readPools(reading),
      readLocks(reading),
      readPauses(reading, false),
      readOverrides(reading, false),
      readUsual(reading.client, context),
      readFirst(reading.client),
    ]);
  return inSnapshot(pool, { context, graceMs: limits.graceMs }, read, async (snapshot, found) => {
    const [released, leases, allAgents, pools, locks, pauses, overrides, usual, first] = found;
    const silentSince = snapshot.now - limits.leaseMs;
    const agents = allAgents.map((agent) => ({ ...agent, live: agent.seenAt > silentSince }));
    const { run, graph, version } = context;
    const { locksOf, usesOf } = contentionOf(context);
    const reference = referenceTimes(context, usual);
    const owners = new Map(version.frame.procedures.map((p) => [p.id, p.owner]));
    const claimOf = (v: number): WaitingClaim | undefined => {
      const releasedAt = released.get(v);
      if (releasedAt === undefined) return undefined;
      const uses = usesOf(v);
      const flow = context.flow(graph.ids[v]!);
      return {
        releasedAt,
        platform: flow.platform!,
        labels: flow.labels,
        pools: uses.map((use) => use.pool),
        poolAmounts: uses.map((use) => use.n),
        locks: locksOf(v),
      };
    };
    const isFull = (name: string, n: number): boolean => {
      const held = pools.get(name);
      return held !== undefined && held.used + n > held.size;
    };
    const crowded = (v: number): boolean =>
      v >= 0 &&
      (usesOf(v).some((use) => isFull(use.pool, use.n)) ||
        locksOf(v).some((key) => locks.has(key)) ||
        agents.some((agent) => agent.used >= agent.slots && agent.platform === graph.attrOf(v).platform));
    return {
      state: snapshot.state,
      facts: {
        ...instantsOf(snapshot),
        run: run.id,
        openedAt: run.openedAt,
        now: snapshot.now,
        closedAt: snapshot.closedAt,
        frozen: snapshot.frozen,
        unread: snapshot.unread,
        claimOf,
        leases,
        agents,
        pools,
        locks,
        pauses,
        overrides,
        kept: keptOf(first, agents, pools),
        // One more statement, only when a flow waits for something that is in use: then `why` says when it should be free.
        holders: [...released.keys()].some(crowded) ? await readHolders(snapshot, usual.usualMs) : [],
        lastAttempts: await readLastAttempts(snapshot),
        flowOf: (v) => context.flow(graph.ids[v]!),
        usualMs: usual.usualMs,
        procedureOwner: (procedure) => owners.get(procedure) ?? null,
        referenceAt: (v) => reference(v, snapshot.deadline[v]!)?.at ?? 0,
        missingTables: missingTables(context),
        workText: (v) => context.workOf(context.flow(context.graph.ids[v]!))?.readable ?? null,
      },
    };
  });
}

/** The load tables of its platform that lack an interface (Q24). It is asked only for the few interfaces that are final causes. */
function missingTables({ graph, version, flow }: RunContext): WhyFacts['missingTables'] {
  const tables = version.frame.loadTables ?? [];
  return (v) => {
    const { interface: feed, platform } = flow(graph.ids[v]!);
    if (feed === undefined) return [];
    return tables
      .filter((table) => table.platform === platform && !table.interfaces.includes(feed.no))
      .map((table) => table.id);
  };
}

/** State and facts for the critical path. */
export async function readPathFacts(
  pool: pg.Pool,
  context: RunContext,
  graceMs: number,
): Promise<{ state: RunState; facts: PathFacts }> {
  const read = (reading: Reading) =>
    Promise.all([
      readPast(reading),
      readAttemptColumns(reading),
      readMetAt(reading),
      readOverrides(reading, true),
      readPauses(reading, true),
      readPlans(reading),
    ]);
  return inSnapshot(pool, { context, graceMs }, read, (snapshot, found) => {
    const [past, attempts, metAt, overrides, pauses, plans] = found;
    return {
      state: snapshot.state,
      facts: {
        ...instantsOf(snapshot),
        run: context.run.id,
        openedAt: context.run.openedAt,
        now: snapshot.now,
        past,
        attempts,
        metAt,
        overrides,
        pauses,
        plans,
        contention: contentionOf(context),
        vertexOf: (flow) => context.index.get(flow) ?? -1,
      },
    };
  });
}

const instantsOf = ({ generationAt, triggeredAt, releasedAt, resultAt, deadline }: Snapshot) => ({
  generationAt,
  triggeredAt,
  releasedAt,
  resultAt,
  deadline,
});

/** Pauses of the run and of platforms. With `all` also those that are over, and the times in which the run was closed, as pauses of it. */
async function readPauses({ client, context }: Reading, all: boolean): Promise<Pause[]> {
  const closing = all ? readClosings({ client, context }) : Promise.resolve([]);
  closing.catch(() => undefined);
  const found = await client.query<Pause>({
    name: 'answer-pauses',
    text: `select scope, from_ms as from, to_ms as to, actor, reason from pauses
      where (scope = $1 or scope like 'platform:%') and (to_ms is null or $2 and to_ms > $3) order by from_ms, id`,
    values: [`run:${context.run.id}`, all, context.run.openedAt],
  });
  return [...found.rows, ...(await closing)];
}

async function readClosings({ client, context }: Reading): Promise<Pause[]> {
  const found = await client.query<{ verb: string; at: number; actor: string; reason: string }>({
    name: 'answer-closings',
    text: `select verb, decided_ms as at, actor, coalesce(body->>'reason', '') as reason from operations
      where run_id = $1 and verb in ('close', 'reopen') and state = 'applied' order by decided_ms`,
    values: [context.run.id],
  });
  return found.rows
    .filter((row) => row.verb === 'close')
    .map(({ at, actor, reason }) => ({
      scope: `run:${context.run.id}`,
      from: at,
      to: found.rows.find((row) => row.verb === 'reopen' && row.at >= at)?.at ?? null,
      actor,
      reason,
    }));
}

/** Overrides by vertex: all of them, or those in force of the kinds that `why` tells. */
async function readOverrides(reading: Reading, all: boolean): Promise<Map<number, Override[]>> {
  const byFlow = new Map<number, Override[]>();
  const columns = [
    'flow_id',
    'kind',
    'edge_from',
    'edge_run',
    'at_ms',
    'ended_ms',
    freeText('actor'),
    freeText('reason'),
  ];
  const values = [reading.context.run.id];
  const from = all
    ? 'from overrides where run_id = $1'
    : "from overrides where run_id = $1 and ended_ms is null and kind in ('hold', 'retire', 'cancel', 'reject')";
  const name = all ? 'overrides-text' : 'overrides-in-force-text';
  for (const [flow, kind, edge, edgeRun, at, ended, actor, reason] of await readRows(reading.client, {
    name,
    columns,
    from,
    values,
    order: 'at_ms, id',
  })) {
    const v = reading.context.index.get(flow!) ?? -1;
    const list = byFlow.get(v) ?? [];
    list.push({
      kind: kind!,
      from: edge === '' ? null : edge!,
      ...(edgeRun === '' ? {} : { run: edgeRun! }),
      at: Number(at),
      endedAt: ended === '' ? null : Number(ended),
      actor: actor!,
      reason: reason!,
    });
    byFlow.set(v, list);
  }
  return byFlow;
}

async function readMetAt({ client, context }: Reading): Promise<Float64Array> {
  const metAt = new Float64Array(context.subscriptions.list.length);
  for (const { i, at } of await readMet(client, context)) metAt[i] = at;
  return metAt;
}

async function readPast(reading: Reading): Promise<Map<number, PastGeneration[]>> {
  const past = new Map<number, PastGeneration[]>();
  const columns = [
    'flow_id',
    'generation',
    'generation_ms',
    'released_ms',
    'result_ms',
    'result',
    'ended_ms',
  ];
  const from = 'from flow_generations where run_id = $1';
  for (const [flow, generation, begun, released, resultAt, result, ended] of await readRows(reading.client, {
    name: 'generations-text',
    columns,
    from,
    values: [reading.context.run.id],
    order: 'flow_id, generation',
  })) {
    const v = reading.context.index.get(flow!) ?? -1;
    const list = past.get(v) ?? [];
    list.push({
      generation: Number(generation),
      begunAt: Number(begun),
      releasedAt: Number(released),
      resultAt: Number(resultAt),
      result: codeOf(result === '' ? null : (result as Result)),
      endedAt: Number(ended),
    });
    past.set(v, list);
  }
  return past;
}

async function readPlans(reading: Reading): Promise<AppliedPlan[]> {
  const { client, context } = reading;
  const found = await client.query<{ at: number; members: string[] }>({
    name: 'answer-plans',
    text: `select decided_ms as at, array(select m->>'flow' from json_array_elements(body->'plan'->'members') m) as members
      from operations where run_id = $1 and verb = 'rerun' and state = 'applied' and json_typeof(body->'plan') = 'object' order by decided_ms`,
    values: [context.run.id],
  });
  return found.rows.map(({ at, members }) => {
    const vertices = members.flatMap((flow) => context.index.get(flow) ?? []);
    return new AppliedPlan(context.graph, at, new Set(vertices));
  });
}

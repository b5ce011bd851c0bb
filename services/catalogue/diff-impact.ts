/** What a change of the catalogue touches: flows below, and open runs that hold what changes (protocol D8). */

import type { DiffAnswer, Difference } from '../../contract/catalogue.ts';
import { reachOf } from '../../graph/compiled/reach.ts';
import { type Estate, estateOf } from '../../graph/impact/impact.ts';
import { FLAG, has, isTriggered } from '../../graph/run/state.ts';
import type { State } from '../../graph/run/status.ts';
import { deadlinesMoved, expectedEnds } from '../../graph/usual/expected-ends.ts';
import { type CatalogueVersion, compiled } from '../../store/catalogue/catalogue.ts';
import { readFirstFlowStates } from '../../store/history/flows.ts';
import { openRuns } from '../../store/history/runs.ts';
import type { RunContext } from '../../store/record/run-context.ts';
import { readClock } from '../../store/record/snapshot.ts';
import { previewAdoption } from '../../store/schedules/adopt.ts';
import type { ServiceDeps } from '../deps.ts';
import { openContext } from '../runs/find.ts';
import { type ExpectDurations, usualDurations } from '../timing/expected-durations.ts';
import type { CheckedFiles } from './catalogue-files.ts';
import { toImpactResponse } from './impact.ts';

type TouchedFlow = DiffAnswer['touched'][number];
type TouchedRun = DiffAnswer['runs'][number];

/** Maximum number of changed flows whose impact is computed one by one: each is a walk over its downstream flows. */
const ONE_BY_ONE = 200;
/** Maximum number of open runs whose adoption is previewed: each preview reads the whole run. */
const PREVIEWED = 20;
const NAMED = 20;
const NEAREST_KEYS = 5;

/** O(V + E) for the whole, for each of the first 200 changed flows, and for each of the first 20 open runs. */
export async function diffImpact(
  deps: ServiceDeps,
  before: CatalogueVersion | null,
  now: CheckedFiles,
  difference: Difference,
  expect: ExpectDurations = usualDurations(deps.pool),
): Promise<Omit<DiffAnswer, keyof Difference>> {
  const changes = changesOf(before, now, difference);
  const estate = estateOf(now.flows, before?.flows.values());
  const roots = [...changes.keys()].map((id) => estate.index.get(id)!);
  const target = compiled({
    version: 0,
    hash: now.hash,
    frame: now.frame,
    flows: now.flows,
    programs: new Map(),
    binds: {},
    opened: true,
  });
  const { runs, states } = await touchedRuns(deps, { target, changes, added: difference.added, expect });
  const frame = { procedures: [...(before?.frame.procedures ?? []), ...now.frame.procedures] };
  return {
    impact: toImpactResponse(estate, frame, roots),
    touched: [...changes]
      .slice(0, ONE_BY_ONE)
      .map(([flow, change]) => ({ ...touchedFlow(estate, flow), change, runs: states.get(flow) ?? [] })),
    runs,
  };
}

/** Flows whose results may differ: changed ones, removed ones, and those whose program has another text. */
function changesOf(
  before: CatalogueVersion | null,
  now: CheckedFiles,
  { changed, removed, programs }: Difference,
): Map<string, TouchedFlow['change']> {
  const changes = new Map<string, TouchedFlow['change']>();
  for (const { flow } of changed) changes.set(flow, 'changed');
  for (const flow of removed) changes.set(flow, 'removed');
  const files = new Set(programs);
  if (files.size > 0)
    for (const { id, program } of now.flows)
      if (program?.type === 'sql' && files.has(`programs/${program.file}`))
        if (before?.flows.has(id) && !changes.has(id)) changes.set(id, 'program');
  return changes;
}

function touchedFlow(estate: Estate, flow: string): Omit<TouchedFlow, 'change' | 'runs'> {
  const reach = reachOf(estate, [estate.index.get(flow)!]);
  const keyFlows: string[] = [];
  const procedures = new Set<string>();
  let keys = 0;
  let deadlines = 0;
  for (const v of reach.order) {
    const { id, key, procedure, deadline } = estate.flows[v]!;
    if (procedure !== undefined) procedures.add(procedure);
    if (deadline !== undefined) deadlines++;
    if (!key) continue;
    keys++;
    if (keyFlows.length < NEAREST_KEYS) keyFlows.push(id);
  }
  return {
    flow,
    downstream: reach.order.length - 1,
    keys,
    keyFlows,
    procedures: [...procedures].sort(),
    deadlines,
  };
}

/** What open runs are compared with. */
interface Change {
  readonly target: CatalogueVersion;
  readonly changes: ReadonlyMap<string, TouchedFlow['change']>;
  readonly added: readonly string[];
  readonly expect: ExpectDurations;
}

/** Open runs that the change touches, newest first; and for each flow its states in them. */
async function touchedRuns(
  deps: ServiceDeps,
  change: Change,
): Promise<{ runs: TouchedRun[]; states: Map<string, TouchedFlow['runs'][number][]> }> {
  const { target, changes, added } = change;
  const runs: TouchedRun[] = [];
  const states = new Map<string, TouchedFlow['runs'][number][]>();
  if (changes.size === 0 && added.length === 0) return { runs, states };
  for (const id of await openRuns(deps.pool)) {
    const context = await openContext(deps, id);
    const { cycle, catalogueVersion, frozen } = context.run;
    const held = [...changes.keys()].filter((flow) => context.index.has(flow));
    const gains = added.filter(
      (flow) => target.flows.get(flow)!.cycle === cycle && !context.index.has(flow),
    ).length;
    if (held.length === 0 && gains === 0) continue;
    const counts: Partial<Record<State, number>> = {};
    const wanted = { states: null, keep: () => true, limit: held.length };
    for (const { flow, state } of await readFirstFlowStates(deps.pool, id, held, wanted)) {
      counts[state] = (counts[state] ?? 0) + 1;
      const known = states.get(flow);
      if (known === undefined) states.set(flow, [{ run: id, state }]);
      else known.push({ run: id, state });
    }
    const preview = runs.length < PREVIEWED ? await adoption(deps, context, change) : null;
    runs.push({
      run: id,
      version: catalogueVersion,
      states: counts,
      holds: held.length,
      gains,
      adopt: preview === null || frozen === null ? preview : { ...preview, refused: 'run_frozen' },
    });
  }
  return { runs, states };
}

async function adoption(
  deps: ServiceDeps,
  context: RunContext,
  { target, changes, expect }: Change,
): Promise<TouchedRun['adopt']> {
  const { deadlines, ...found } = await previewAdoption(deps.pool, context, target, deps.graceMs);
  const { state } = found;
  const { graph } = target.graphOf(context.run.cycle);
  const added = new Set(found.added);
  const bytes = (of: (v: number) => boolean): Uint8Array =>
    Uint8Array.from({ length: graph.n }, (_, v) => (of(v) ? 1 : 0));
  const ends = expectedEnds(graph, {
    now: Math.max(state.now, await readClock(deps.pool)),
    // A flow that was not triggered cannot be late.
    runs: bytes((v) => state.result[v] === 0 && !has(state, v, FLAG.RETIRED) && isTriggered(graph, state, v)),
    members: new Uint8Array(graph.n),
    roots: bytes((v) => changes.has(graph.ids[v]!) || added.has(graph.ids[v]!)),
    durations: (await expect({ run: context.run, version: target })).ms,
    starts: state.start,
  });
  return {
    refused: found.started.length > 0 ? 'adopt_removes_started' : null,
    started: found.started,
    newBlockers: found.newBlockers.length,
    blockers: found.newBlockers.slice(0, NAMED).map(({ flow, code, from }) => ({ flow, code, from })),
    freed: found.freed.length,
    added: found.added.length,
    removed: found.removed.length,
    lapsedWaives: found.lapsed.length,
    late: deadlinesMoved(ends, deadlines)
      .filter(({ lateMs }) => lateMs > 0)
      .map(({ v, endsAt, lateMs }) => ({
        flow: graph.ids[v]!,
        deadline: deadlines[v]!,
        endsAt: Math.round(endsAt),
        lateMs: Math.round(lateMs),
      })),
  };
}

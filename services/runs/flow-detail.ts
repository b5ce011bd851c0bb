/** Everything about one flow of a run, at once. */

import type { FlowDetail } from '../../contract/flows.ts';
import { blockers } from '../../graph/run/blockers.ts';
import { beforeBeginning } from '../../graph/run/foreign-runs.ts';
import { FLAG, isDone, type RunState } from '../../graph/run/state.ts';
import { stateOf } from '../../graph/run/state-of.ts';
import { overLong } from '../../graph/usual/expected.ts';
import { VERBS } from '../../graph/verbs/verbs.ts';
import { claimBlockers, programWaits } from '../../store/agents/claim-blockers.ts';
import { readAttempts, readFlowStates, readGenerations, readOverrides } from '../../store/history/flows.ts';
import { referenceTimes } from '../../store/history/reference-times.ts';
import type { RunContext } from '../../store/record/run-context.ts';
import { inSnapshot, type Reading } from '../../store/record/snapshot.ts';
import { readUsual } from '../../store/record/usual-times.ts';
import type { ServiceDeps } from '../deps.ts';
import { flowOfRun, openContext } from './find.ts';
import { toFlowResponse } from './flow-view.ts';

/** Reads one snapshot, and of the run's state only what changed since the previous answer. Throws `unknown_run`, `unknown_flow`. */
export async function flowDetail(deps: ServiceDeps, run: string, given: string): Promise<FlowDetail> {
  const context = await openContext(deps, run);
  const flow = flowOfRun(context, given);
  const v = context.index.get(flow.id)!;
  const { id } = context.run;
  const read = ({ client }: Reading) =>
    Promise.all([
      readFlowStates(client, id, [flow.id]),
      readAttempts(client, id, flow.id),
      readGenerations(client, id, flow.id),
      readOverrides(client, id, flow.id),
      claimBlockers(client, { run: id, flow: flow.id }, deps.leaseMs, context.workOf(flow)?.readable ?? null),
      programWaits(client, id, flow.id),
      readUsual(client, context),
    ]);
  const [state, [rows, attempts, generations, overrides, claim, fence, usual], now] = await inSnapshot(
    deps.pool,
    { context, graceMs: deps.graceMs },
    read,
    (snapshot, found) => [snapshot.state, found, snapshot.now] as const,
  );
  const row = rows[0]!;
  const engine = state.result[v] === 0 ? blockers(context.graph, state, v) : [];
  const waitsForPerson = row.state === 'waiting_person' ? [{ code: 'gate_unconfirmed' }] : [];
  const reference = referenceTimes(context, usual)(v, row.deadline);
  return {
    ...toFlowResponse(flow, row),
    expected: flow.runner === 'agent' ? usual.expected(v) : null,
    reference,
    overLong: row.startedAt === null ? null : overLong(now - row.startedAt, usual.usualMs(v)),
    run: context.run.id,
    period: context.periodOf(flow),
    trigger: flow.trigger,
    role: flow.person?.role ?? null,
    groups: flow.groups,
    reads: flow.reads,
    writes: flow.writes,
    note: flow.note ?? null,
    leaves: flow.leaves ?? null,
    forcePassRequires: flow.forcePassRequires,
    verbs: [...VERBS.values()]
      .filter((rule) => rule.target === 'flow' || rule.target === 'plan')
      .filter((rule) => rule.allowedIn.includes(row.state) || rule.withSupersede.includes(row.state))
      .filter((rule) => !rule.onlyPerson || flow.runner === 'person')
      .map((rule) => rule.verb),
    blockers: [...engine, ...waitsForPerson, ...(row.state === 'waiting_agent' ? claim : []), ...fence].map(
      withoutUndefined,
    ),
    upstream: upstreamOf(context, state, v),
    downstream: downstreamOf(context, state, v),
    attempts,
    generations: generations.map(({ flags, ...rest }) => ({
      ...rest,
      tainted: (flags & FLAG.TAINTED) !== 0,
      stale: (flags & FLAG.STALE) !== 0,
    })),
    overrides,
  };
}

const withoutUndefined = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, it]) => it !== undefined)) as T;

function upstreamOf(
  { graph, run, subscriptions }: RunContext,
  s: RunState,
  v: number,
): FlowDetail['upstream'] {
  const list: FlowDetail['upstream'][number][] = [];
  for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++) {
    const u = graph.up[e]!;
    list.push({
      flow: graph.ids[u]!,
      kind: 'run',
      met: s.waived[e] === 1 || isDone(s, u),
      waived: s.waived[e] === 1,
      loop: graph.loopEdge[e] === 1,
      state: stateOf(s, graph, u),
    });
  }
  const outside = { loop: false, state: null } as const;
  for (let i = s.subscriptions.off[v]!; i < s.subscriptions.off[v + 1]!; i++) {
    const { from, run } = s.subscriptions.list[i]!;
    const waived = s.waivedForeign[i] === 1;
    const met = waived || s.foreignMet[i] !== 0;
    list.push({ flow: from, kind: 'other_run', run, met, waived, ...outside });
  }
  for (const { from, run: never, begins } of beforeBeginning(graph, subscriptions, run, v))
    list.push({
      flow: from,
      kind: 'before_beginning',
      run: never,
      begins,
      met: true,
      waived: false,
      ...outside,
    });
  for (let i = graph.invalidOff[v]!; i < graph.invalidOff[v + 1]!; i++) {
    const waived = s.waivedInvalid[i] === 1;
    list.push({ flow: graph.invalid[i]!.from, kind: 'missing', met: waived, waived, ...outside });
  }
  return list;
}

function downstreamOf({ graph }: RunContext, s: RunState, v: number): FlowDetail['downstream'] {
  const list: FlowDetail['downstream'][number][] = [];
  for (let k = graph.downOff[v]!; k < graph.downOff[v + 1]!; k++)
    list.push({ flow: graph.ids[graph.down[k]!]!, state: stateOf(s, graph, graph.down[k]!) });
  return list;
}

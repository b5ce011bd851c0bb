/** The retirement sheet of a flow (Q36): from the newest catalogue version, and what the record says of it. */

import type { Retirement } from '../../contract/retirement.ts';
import { reachOf } from '../../graph/compiled/reach.ts';
import { type TableKey, tableName } from '../../graph/impact/lineage.ts';
import type { Flow } from '../../graph/model.ts';
import type { State } from '../../graph/run/status.ts';
import { VERBS } from '../../graph/verbs/verbs.ts';
import type { CatalogueVersion } from '../../store/catalogue/catalogue.ts';
import { lastAttempt } from '../../store/history/flow-past.ts';
import { readFlowStates } from '../../store/history/flows.ts';
import { openRuns } from '../../store/history/runs.ts';
import { waitingFlows } from '../../store/record/subscriptions.ts';
import type { ServiceDeps } from '../deps.ts';
import type { EstateLineage } from '../lineage/estate-lineage.ts';
import { isStaging } from '../programs/flow-data.ts';
import { flowOfVersion, openContext } from '../runs/find.ts';
import { connectionsOf, isOpenedBy } from './catalogue-diff.ts';
import { estateOfVersion, toImpactResponse } from './impact.ts';
import { versionOf } from './newest-catalogue.ts';

const RETIRE = VERBS.get('retire')!;

/** Throws `no_catalogue`, `unknown_flow`. O(V + E), and a look into each open run. */
export async function retirementSheet(deps: ServiceDeps, given: string): Promise<Retirement> {
  const version = await versionOf(deps);
  const flow = flowOfVersion(version, given);
  const [last, runs] = await Promise.all([
    lastAttempt(deps.pool, flow.cycle, flow.id),
    runsHolding(deps, flow.id),
  ]);
  const dependents = dependentsOf(version, flow.id);
  const requiredBy = [...version.flows.values()]
    .filter((other) => other.forcePassRequires.includes(flow.id))
    .map((flow) => flow.id);
  const estate = estateOfVersion(version);
  const lineage = await deps.lineages.of(version);
  const v = estate.index.get(flow.id)!;
  return {
    flow: flow.id,
    version: version.version,
    names: flow.names,
    kind: flow.kind,
    cycle: flow.cycle,
    layer: flow.layer,
    key: flow.key,
    groups: flow.groups,
    aliases: flow.aliases,
    procedure: flow.procedure ?? null,
    owner: flow.owner ?? null,
    platform: flow.platform ?? null,
    note: flow.note ?? null,
    program: programOf(flow),
    ...tablesOf(lineage, flow),
    distributions: distributionsOf(version, lineage, flow),
    upstream: flow.after.map(({ from, period, cycle }) => ({
      flow: from,
      cycle: cycle ?? flow.cycle,
      period,
      exists: version.flows.has(from),
    })),
    above: reachOf(estate, [v], 'up').order.length - 1,
    dependents,
    requiredBy,
    impact: toImpactResponse(estate, version.frame, [v]),
    schedules: version.frame.schedules
      .filter((schedule) => isOpenedBy(schedule, flow))
      .map((schedule) => schedule.id),
    lastRun:
      last === null ? null : { ...last, ms: last.startedAt === null ? null : last.endedAt - last.startedAt },
    openRuns: runs,
    retirableIn: RETIRE.allowedIn,
    clear:
      dependents.length === 0 &&
      requiredBy.length === 0 &&
      runs.every(({ state, blocks }) => !IN_HAND.has(state) && blocks.length === 0),
  };
}

function programOf({ program, ...flow }: Flow): Retirement['program'] {
  if (program === undefined) return null;
  const connections = connectionsOf({ ...flow, program });
  switch (program.type) {
    case 'sql':
      return { type: program.type, what: program.file, connections };
    case 'shell':
      return { type: program.type, what: program.command.join(' '), connections };
    case 'export':
    case 'import':
      return { type: program.type, what: program.distribution, connections };
    case 'noop':
      return { type: program.type, what: null, connections };
    default:
      return program satisfies never;
  }
}

/** Declared tables and those of its SQL, each with the other flows on the far side. */
function tablesOf(
  { flows, producers, readers }: EstateLineage,
  flow: Flow,
): Pick<Retirement, 'reads' | 'writes'> {
  const { reads, writes } = flows.get(flow.id)!;
  const others = (ids: readonly string[] = []): string[] => ids.filter((id) => id !== flow.id);
  const tableText = (table: TableKey): string =>
    [...flow.reads, ...flow.writes].find((read) => read.toLowerCase() === tableName(table)) ??
    tableName(table);
  return {
    reads: reads
      .filter((table) => !isStaging(table))
      .map((table) => ({ table: tableText(table), writtenBy: others(producers.get(table)) })),
    writes: writes
      .filter((table) => !isStaging(table))
      .map((table) => ({ table: tableText(table), readBy: others(readers.get(table)) })),
  };
}

/** Those that it is half of, and those that copy what it writes. */
function distributionsOf(
  { flows }: CatalogueVersion,
  lineage: EstateLineage,
  flow: Flow,
): Retirement['distributions'] {
  const { writes } = lineage.flows.get(flow.id)!;
  const readers = new Set(writes.flatMap((table) => lineage.readers.get(table) ?? []));
  return [...flows.values()].flatMap(({ id, program }) => {
    if (program?.type !== 'export') return [];
    const { distribution, from, to } = program;
    const itself =
      (flow.program?.type === 'export' || flow.program?.type === 'import') &&
      flow.program.distribution === distribution;
    return itself || readers.has(id) ? [{ distribution, from, to, itself }] : [];
  });
}

function dependentsOf({ flows }: CatalogueVersion, id: string): Retirement['dependents'] {
  return [...flows.values()].flatMap((flow) =>
    flow.after
      .filter((edge) => edge.from === id && flow.id !== id)
      .map(({ period }) => ({
        flow: flow.id,
        names: flow.names,
        cycle: flow.cycle,
        period,
        key: flow.key,
        procedure: flow.procedure ?? null,
        owner: flow.owner ?? null,
      })),
  );
}

const IN_HAND: ReadonlySet<State> = new Set(['running', 'sent_to_agent']);
const NEVER_BLOCKED: ReadonlySet<State> = new Set([
  ...IN_HAND,
  ...(['succeeded', 'skipped', 'force_passed', 'retired'] as const),
]);

async function runsHolding(deps: ServiceDeps, flow: string): Promise<Retirement['openRuns']> {
  const found: Retirement['openRuns'][number][] = [];
  for (const run of await openRuns(deps.pool)) {
    const { graph, index } = await openContext(deps, run);
    const v = index.get(flow);
    if (v === undefined) continue;
    const { state } = (await readFlowStates(deps.pool, run, [flow]))[0]!;
    const retirable = RETIRE.allowedIn.includes(state);
    const below = [...graph.down.subarray(graph.downOff[v], graph.downOff[v + 1])].map((d) => graph.ids[d]!);
    const users = retirable ? [[run, below] as const, ...(await waitingFlows(deps.pool, run, [flow]))] : [];
    const blocks: Retirement['openRuns'][number]['blocks'][number][] = [];
    for (const [user, flows] of users)
      for (const it of await readFlowStates(deps.pool, user, flows))
        if (!NEVER_BLOCKED.has(it.state)) blocks.push({ run: user, flow: it.flow });
    found.push({ run, state, retirable, blocks });
  }
  return found;
}

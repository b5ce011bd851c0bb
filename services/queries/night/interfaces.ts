/** Interfaces: how far their loads are, and whom they hold up: Q11, Q13, Q21. */

import { GivenId, listOf } from '../../../contract/fields.ts';
import { reachOf } from '../../../graph/compiled/reach.ts';
import { lastAttempts } from '../../../store/agents/attempt-lists.ts';
import {
  defineQuery,
  instantColumn,
  listColumn,
  minutes,
  namesColumn,
  numberColumn,
  textColumn,
} from '../query.ts';
import {
  DayInput,
  flowsOf,
  isComplete,
  isOpen,
  PlatformFilter,
  type ScopedFlow,
  type ScopedRun,
  scopeOfDate,
} from '../scope.ts';
import { openFlows } from './due.ts';

const interfaceNo = textColumn('interface', '接口号');
const flowId = textColumn('flow', '流程');
const name = namesColumn('name', '名称');
const state = textColumn('state', '状态');
const referenceTime = instantColumn('reference time', '参考时间');
const lateMin = numberColumn('minutes late', '延迟分钟');

/** The number of the interface; the flow's id when it has none. */
const numberOf = ({ flow }: ScopedFlow): string => flow.interface?.no ?? flow.id;
const isInterface = ({ flow }: ScopedFlow): boolean => flow.kind === 'interface';

export const q11 = defineQuery({
  id: 'Q11',
  category: 'exception',
  names: { en: 'Load status of interfaces', zh: '查看接口装载完成情况' },
  question: { en: 'How far has an interface been loaded?', zh: '某接口的装载进展如何？' },
  rule: {
    en: 'One row for each flow that loads an interface, with its last attempt. Affected: downstream flows that are not complete.',
    zh: '按装载接口的流程列出最近一次执行；受影响流程为其后续中尚未完成者。',
  },
  input: { ...DayInput, interfaceNo: listOf(GivenId).optional() },
  columns: {
    interfaceNo,
    flowId,
    name,
    period: textColumn('period', '账期'),
    target: textColumn('target', '目标平台'),
    node: textColumn('node', '节点'),
    state,
    startedAt: instantColumn('started', '开始'),
    finishedAt: instantColumn('ended', '结束'),
    rows: numberColumn('rows', '行数'),
    affectedFlows: listColumn('affected flows', '受影响流程'),
  },
  example: '',
  async answer(deps, { date, interfaceNo: numbers }) {
    const scope = await scopeOfDate(deps, date);
    const flows = await flowsOf(deps, scope, {});
    const rows = [];
    const openOf = openIds(flows);
    for (const run of scope.runs) {
      const loads = flows.filter(
        (flow) =>
          flow.run === run &&
          isInterface(flow) &&
          (numbers === undefined || numbers.includes(numberOf(flow)) || numbers.includes(flow.flow.id)),
      );
      const last = await lastAttempts(
        deps.pool,
        run.run.id,
        loads.map((load) => load.flow.id),
      );
      for (const it of loads) {
        const attempt = last.get(it.flow.id);
        rows.push({
          interfaceNo: numberOf(it),
          flowId: it.flow.id,
          name: it.flow.names,
          period: run.run.period,
          target: it.flow.platform ?? null,
          node: it.flow.interface?.node ?? null,
          state: it.row.state,
          startedAt: attempt?.startedAt ?? null,
          finishedAt: isComplete(it.row) ? it.row.resultAt : null,
          rows: attempt?.rows ?? null,
          affectedFlows: isComplete(it.row) ? [] : openBelow(run, it, openOf),
        });
      }
    }
    return { about: { date: scope.period }, rows };
  },
});

export const q13 = defineQuery({
  id: 'Q13',
  category: 'exception',
  names: { en: 'Interfaces not loaded', zh: '列出YT和MPP哪些接口没好' },
  question: {
    en: 'Which interfaces have not passed today, and which flows do they hold up?',
    zh: '今天哪些接口没有通过，影响哪些程序？',
  },
  rule: {
    en: 'Interfaces of the day that are not complete, latest first. Affected: downstream flows that are not complete.',
    zh: '当日未完成的接口，延迟最久的在前；受影响流程为其后续中尚未完成者。',
  },
  input: { ...DayInput, ...PlatformFilter },
  columns: {
    interfaceNo,
    flowId,
    name,
    platform: textColumn('platform', '平台'),
    referenceTime,
    state,
    lateMin,
    affectedFlows: listColumn('affected flows', '受影响流程'),
    affectedCount: numberColumn('affected', '受影响数'),
    affectedKeyFlows: numberColumn('key flows', '受影响重点流程数'),
  },
  example: 'platform=yt,mpp',
  async answer(deps, { date, ...filter }) {
    const scope = await scopeOfDate(deps, date);
    const flows = await flowsOf(deps, scope, {});
    const openOf = openIds(flows);
    const rows = openFlows(flows)
      .filter(
        (flow) =>
          isInterface(flow) &&
          (filter.platform === undefined || filter.platform.includes(flow.flow.platform ?? '')),
      )
      .sort((a, b) => b.lateMs - a.lateMs || (a.flow.id < b.flow.id ? -1 : 1))
      .map((flow) => {
        const affected = openBelow(flow.run, flow, openOf);
        return {
          interfaceNo: numberOf(flow),
          flowId: flow.flow.id,
          name: flow.flow.names,
          platform: flow.flow.platform ?? null,
          referenceTime: flow.expectedAt,
          state: flow.row.state,
          lateMin: minutes(flow.lateMs),
          affectedFlows: affected,
          affectedCount: affected.length,
          affectedKeyFlows: affected.filter((id) => flow.run.flow(id).key).length,
        };
      });
    return { about: { date: scope.period }, rows };
  },
});

export const q21 = defineQuery({
  id: 'Q21',
  category: 'exception',
  names: { en: 'Late interfaces of key flows', zh: '查重点接口延迟列表' },
  question: {
    en: 'Which interfaces of key flows are due but not loaded?',
    zh: '重点流程依赖的接口中，哪些到时未完成？',
  },
  rule: {
    en: 'Interfaces upstream of key flows, at any distance, that are past their reference time and not complete.',
    zh: '重点流程任意层前置中的接口，已过参考时间而未完成者。',
  },
  input: { ...DayInput },
  columns: {
    interfaceNo,
    flowId,
    name,
    referenceTime,
    state,
    lateMin,
    keyFlowsAffected: listColumn('key flows', '受影响重点流程'),
  },
  example: '',
  async answer(deps, { date }) {
    const scope = await scopeOfDate(deps, date);
    const flows = await flowsOf(deps, scope, {});
    const keysOf = new Map(scope.runs.map((run) => [run, keyFlowsBelow(run)]));
    const rows = openFlows(flows)
      .filter((flow) => isInterface(flow) && flow.lateMs > 0 && keysOf.get(flow.run)!.has(flow.flow.id))
      .sort((a, b) => b.lateMs - a.lateMs || (a.flow.id < b.flow.id ? -1 : 1))
      .map((flow) => ({
        interfaceNo: numberOf(flow),
        flowId: flow.flow.id,
        name: flow.flow.names,
        referenceTime: flow.expectedAt,
        state: flow.row.state,
        lateMin: minutes(flow.lateMs),
        keyFlowsAffected: keysOf.get(flow.run)!.get(flow.flow.id)!,
      }));
    return { about: { date: scope.period }, rows };
  },
});

/** For each flow the ids of the key flows below it, in the order of the graph; flows without any are left out. */
function keyFlowsBelow(run: ScopedRun): Map<string, string[]> {
  const { graph } = run;
  const found = new Map<string, string[]>();
  for (let v = 0; v < graph.n; v++) {
    if (!graph.attrOf(v).key) continue;
    for (const u of reachOf(graph, [v], 'up').order.slice(1)) {
      const id = graph.ids[u]!;
      const keys = found.get(id);
      if (keys === undefined) found.set(id, [graph.ids[v]!]);
      else keys.push(graph.ids[v]!);
    }
  }
  return found;
}

/** Per run the flows that are open. */
function openIds(flows: readonly ScopedFlow[]): Map<ScopedRun, Set<string>> {
  const open = new Map<ScopedRun, Set<string>>();
  for (const { run, flow, row } of flows)
    if (isOpen(row)) open.set(run, (open.get(run) ?? new Set()).add(flow.id));
  return open;
}

function openBelow(
  run: ScopedRun,
  { flow }: ScopedFlow,
  openOf: ReadonlyMap<ScopedRun, ReadonlySet<string>>,
): string[] {
  const open = openOf.get(run);
  const { order } = reachOf(run.graph, [run.index.get(flow.id)!]);
  const ids = order.slice(1).map((v) => run.graph.ids[v]!);
  return open === undefined ? [] : ids.filter((id) => open.has(id));
}

/** Interfaces: how far their loads are, and whom they hold up: Q11, Q13, Q21. */

import { GivenId, listOf } from '../../../contract/fields.ts';
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
  scopeOfDate,
} from '../scope.ts';
import { Around, namedFrom, type Reached } from './around.ts';
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
    const below = await Around.read(deps, scope, flows, 'down');
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
          affectedFlows: isComplete(it.row) ? [] : openBelow(below, it).map((other) => namedFrom(run, other)),
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
    en: 'Interfaces of the day that are not complete, latest first. Affected: downstream flows that are not complete, also in runs that wait for this one (RUN/FLOW).',
    zh: '当日未完成的接口，延迟最久的在前；受影响流程为其后续中尚未完成者，含等待该运行的其他运行（RUN/FLOW）。',
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
    const below = await Around.read(deps, scope, flows, 'down');
    const rows = openFlows(flows)
      .filter(
        (flow) =>
          isInterface(flow) &&
          (filter.platform === undefined || filter.platform.includes(flow.flow.platform ?? '')),
      )
      .sort((a, b) => b.lateMs - a.lateMs || (a.flow.id < b.flow.id ? -1 : 1))
      .map((flow) => {
        const affected = openBelow(below, flow);
        return {
          interfaceNo: numberOf(flow),
          flowId: flow.flow.id,
          name: flow.flow.names,
          platform: flow.flow.platform ?? null,
          referenceTime: flow.expectedAt,
          state: flow.row.state,
          lateMin: minutes(flow.lateMs),
          affectedFlows: affected.map((other) => namedFrom(flow.run, other)),
          affectedCount: affected.length,
          affectedKeyFlows: affected.filter((other) => other.flow.key).length,
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
    en: 'Interfaces upstream of key flows, at any distance and over runs, that are past their reference time and not complete.',
    zh: '重点流程任意层前置（含跨运行）中的接口，已过参考时间而未完成者。',
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
    const below = await Around.read(deps, scope, flows, 'down');
    const keysOf = (flow: ScopedFlow): string[] =>
      below.from(flow).flatMap((it) => (it.depth > 0 && it.flow.key ? namedFrom(flow.run, it) : []));
    const rows = openFlows(flows)
      .filter((flow) => isInterface(flow) && flow.lateMs > 0)
      .map((flow) => ({ ...flow, keys: keysOf(flow) }))
      .filter(({ keys }) => keys.length > 0)
      .sort((a, b) => b.lateMs - a.lateMs || (a.flow.id < b.flow.id ? -1 : 1))
      .map(({ keys, ...flow }) => ({
        interfaceNo: numberOf(flow),
        flowId: flow.flow.id,
        name: flow.flow.names,
        referenceTime: flow.expectedAt,
        state: flow.row.state,
        lateMin: minutes(flow.lateMs),
        keyFlowsAffected: keys,
      }));
    return { about: { date: scope.period }, rows };
  },
});

/** Open flows below a flow, as a list of its run names them. */
const openBelow = (around: Around, it: ScopedFlow): Reached[] =>
  around.from(it).filter(({ depth, row }) => depth > 0 && isOpen(row));

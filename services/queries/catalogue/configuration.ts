/** What is wrong with the configuration: broken dependencies, interfaces that are not configured, loops: Q23, Q24, Q26. */

import { listOf, text } from '../../../contract/fields.ts';
import { components } from '../../../graph/compiled/loops.ts';
import { weakestEdge } from '../../../graph/compiled/weakest-edge.ts';
import { handsOver } from '../../../graph/impact/lineage.ts';
import { Cycle } from '../../../graph/model.ts';
import type { CatalogueVersion } from '../../../store/catalogue/catalogue.ts';
import { readFirstFlowStates } from '../../../store/history/flows.ts';
import { newestRun } from '../../../store/schedules/scheduled-runs.ts';
import { newestOpenings, versionOf } from '../../catalogue/newest-catalogue.ts';
import type { ServiceDeps } from '../../deps.ts';
import { orphanTables } from '../lineage/lineage.ts';
import { defineQuery, listColumn, numberColumn, type RowOf, textColumn, yesColumn } from '../query.ts';

const brokenColumns = {
  flowId: textColumn('flow', '流程'),
  dependencyId: textColumn('dependency', '依赖'),
  kind: textColumn('kind', '类型'),
  problem: textColumn('problem', '问题'),
};
type Broken = RowOf<typeof brokenColumns>;

export const q23 = defineQuery({
  id: 'Q23',
  category: 'dependency',
  names: { en: 'Broken dependencies', zh: '监控程序依赖失效的' },
  question: {
    en: 'Which flows depend on something that will never be there?',
    zh: '哪些流程的依赖永远无法满足？',
  },
  rule: {
    en: 'By the newest catalogue: an upstream that does not exist (missing), is retired in the newest run (retired), or belongs to a cycle whose runs nothing opens (no_run); a table that is read but that no flow and no distribution makes (no_producer: it comes from outside, or from nowhere).',
    zh: '最新目录中：前置不存在（missing）、在最近运行中已下线（retired）、其周期类型无任何方式打开运行（no_run）；读取的表没有流程或分发产生（no_producer：来自外部，或没有来源）。',
  },
  input: {},
  columns: brokenColumns,
  example: '',
  async answer(deps) {
    const version = await versionOf(deps);
    const retired = await retiredFlows(deps, version);
    const opened = await openedCycles(deps, version);
    const rows: Broken[] = [];
    for (const flow of version.flows.values())
      for (const { from, cycle } of flow.after) {
        const upstream = version.flows.get(from);
        const row = (problem: string): void => {
          rows.push({ flowId: flow.id, dependencyId: from, kind: upstream?.kind ?? 'flow', problem });
        };
        if (upstream === undefined) row('missing');
        else if (retired.has(from)) row('retired');
        else if (cycle !== undefined && !opened.has(cycle)) row('no_run');
      }
    for (const { table, readers } of orphanTables(await deps.lineages.of(version)))
      for (const flowId of readers)
        rows.push({ flowId, dependencyId: table, kind: 'table', problem: 'no_producer' });
    return { about: { version: String(version.version) }, rows };
  },
});

/** Flows that are retired in the newest scheduled run of their cycle. */
async function retiredFlows(deps: ServiceDeps, version: CatalogueVersion): Promise<Set<string>> {
  const retired = new Set<string>();
  for (const cycle of Cycle.options) {
    const run = await newestRun(deps.pool, cycle, await newestOpenings(deps));
    if (run === null) continue;
    const flows = [...version.flows.values()].filter((flow) => flow.cycle === cycle).map((flow) => flow.id);
    const wanted = { states: ['retired' as const], keep: () => true, limit: flows.length };
    for (const { flow } of await readFirstFlowStates(deps.pool, run, flows, wanted)) retired.add(flow);
  }
  return retired;
}

/** Cycles that have runs, or a schedule that will open some. */
async function openedCycles(deps: ServiceDeps, version: CatalogueVersion): Promise<Set<string>> {
  const cycles = new Set<string>(version.frame.schedules.map(({ cycle }) => cycle));
  for (const cycle of Cycle.options)
    if ((await newestRun(deps.pool, cycle, await newestOpenings(deps))) !== null) cycles.add(cycle);
  return cycles;
}

export const q24 = defineQuery({
  id: 'Q24',
  category: 'dependency',
  names: { en: 'Load configuration of interfaces', zh: '判断接口是否装载（配置表均须有记录）' },
  question: {
    en: 'Is an interface configured to be loaded to a platform, and if not, what is missing?',
    zh: '接口是否已配置装载到平台，缺少哪些配置？',
  },
  rule: {
    en: 'An interface is loaded to a platform only if every load table of that platform (loadTables of the catalogue) lists its number. Lists all interfaces of the catalogue, incomplete ones first.',
    zh: '只有该平台的全部配置表（目录中的 loadTables）都有其接口号，接口才会装载。列出目录中的全部接口，缺配置的在前。',
  },
  input: { interfaceNo: listOf(text(60)).optional() },
  columns: {
    interfaceNo: textColumn('interface', '接口号'),
    platform: textColumn('platform', '平台'),
    inTables: listColumn('configured in', '已配置'),
    missingIn: listColumn('missing in', '缺少'),
    loads: yesColumn('is loaded', '装载'),
    dependentFlows: listColumn('needed by', '依赖流程'),
    dependents: numberColumn('flows', '依赖流程数'),
  },
  example: '',
  async answer(deps, { interfaceNo }) {
    const version = await versionOf(deps);
    const tables = version.frame.loadTables ?? [];
    const waiting = new Map<string, string[]>();
    for (const flow of version.flows.values())
      for (const { from } of flow.after) waiting.set(from, [...(waiting.get(from) ?? []), flow.id]);
    const nodes = new Map<string, { no: string; platform: string; flows: string[] }>();
    for (const flow of version.flows.values()) {
      if (flow.interface === undefined || flow.platform === undefined) continue;
      const { no } = flow.interface;
      if (interfaceNo !== undefined && !interfaceNo.includes(no)) continue;
      const key = `${no} ${flow.platform}`;
      const node = nodes.get(key) ?? { no, platform: flow.platform, flows: [] };
      node.flows.push(...(waiting.get(flow.id) ?? []));
      nodes.set(key, node);
    }
    const rows = [...nodes.values()].map(({ no, platform, flows }) => {
      const of = tables.filter((table) => table.platform === platform);
      const missingIn = of.filter((table) => !table.interfaces.includes(no)).map(({ id }) => id);
      const dependentFlows = [...new Set(flows)].sort();
      return {
        interfaceNo: no,
        platform,
        inTables: of.filter((entry) => entry.interfaces.includes(no)).map(({ id }) => id),
        missingIn,
        loads: missingIn.length === 0,
        dependentFlows,
        dependents: dependentFlows.length,
      };
    });
    rows.sort((a, b) => b.missingIn.length - a.missingIn.length || (a.interfaceNo < b.interfaceNo ? -1 : 1));
    return { about: { version: String(version.version) }, rows };
  },
});

export const q26 = defineQuery({
  id: 'Q26',
  category: 'dependency',
  names: { en: 'Dependency loops', zh: '互相依赖（死循环）的程序' },
  question: { en: 'Which programs wait for one another?', zh: '哪些程序互相依赖？' },
  rule: {
    en: 'Sets of flows of one cycle that wait for one another. The weakest edge is one that carries no table; among several, the one that lies on most of the shortest loops; among these, the one with the smallest ids.',
    zh: '同一周期类型内互相等待的流程集合。最弱依赖：优先取没有数据表经过的依赖，其次取最多最短环经过的依赖，再次按编号。',
  },
  input: {},
  columns: {
    cycleId: textColumn('loop', '环'),
    members: listColumn('members', '成员'),
    size: numberColumn('size', '大小'),
    edges: listColumn('edges', '依赖'),
    weakestEdge: textColumn('weakest edge', '最弱依赖'),
    carriesData: yesColumn('carries data', '有数据经过'),
  },
  example: '',
  async answer(deps) {
    const version = await versionOf(deps);
    const lineage = await deps.lineages.of(version);
    const rows = Cycle.options.flatMap((cycle) => {
      const { graph } = version.graphOf(cycle);
      return components(graph).loops.map((members, i) => {
        const inside = new Set(members);
        const edges = members.flatMap((v) =>
          [...graph.up.subarray(graph.upOff[v], graph.upOff[v + 1])]
            .filter((u) => inside.has(u))
            .map((u) => ({ from: graph.ids[u]!, to: graph.ids[v]! })),
        );
        const carries = ({ from, to }: { from: string; to: string }): boolean => handsOver(lineage, from, to);
        const weakest = weakestEdge(edges, carries);
        const edgeText = ({ from, to }: { from: string; to: string }): string => `${from}->${to}`;
        return {
          cycleId: `${cycle}-${i + 1}`,
          members: members.map((v) => graph.ids[v]!),
          size: members.length,
          edges: edges.map(edgeText),
          weakestEdge: edgeText(weakest),
          carriesData: carries(weakest),
        };
      });
    });
    return { about: { version: String(version.version) }, rows };
  },
});

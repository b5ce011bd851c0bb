/** What depends on what, and what a rerun, a forced pass or a retirement would do: Q04, Q05, Q27. */
import { z } from 'zod';
import { GivenId, listOf } from '../../../contract/fields.ts';
import { reachOf, wayTo } from '../../../graph/compiled/reach.ts';
import type { Cycle } from '../../../graph/model.ts';
import { type FlowStateRow, readFirstFlowStates } from '../../../store/history/flows.ts';
import { newestRun } from '../../../store/schedules/scheduled-runs.ts';
import { estateOfVersion } from '../../catalogue/impact.ts';
import { newestOpenings, versionOf } from '../../catalogue/newest-catalogue.ts';
import type { ServiceDeps } from '../../deps.ts';
import { previewOf, VERBS_PREVIEWED } from '../../operations/preview.ts';
import { flowOfVersion, openContext } from '../../runs/find.ts';
import {
  defineQuery,
  instantColumn,
  listColumn,
  namesColumn,
  numberColumn,
  textColumn,
  yesColumn,
} from '../query.ts';

const Flows = listOf(GivenId).refine((list) => list.length > 0, 'at least one flow');
const WalkInput = {
  flows: Flows,
  depth: z.coerce.number().int().min(1).max(1_000_000).optional(),
};

const walkColumns = {
  root: textColumn('asked', '查询流程'),
  flowId: textColumn('flow', '流程'),
  name: namesColumn('name', '名称'),
} as const;

export const q04 = defineQuery({
  id: 'Q04',
  category: 'dependency',
  names: { en: 'All downstream flows', zh: '后置依赖查询' },
  question: {
    en: 'Which flows of any cycle depend on these, directly or indirectly?',
    zh: '哪些流程直接或间接依赖它们（跨周期）？',
  },
  rule: {
    en: 'Each downstream flow once, by its shortest path, nearest first, by the newest catalogue; its state is that in the newest scheduled run of its cycle. depth=1 lists direct dependents only.',
    zh: '按最新目录，每个流程取最短路径，由近及远；状态取自所属周期类型的最新计划运行。depth=1 为直接后置。',
  },
  input: WalkInput,
  columns: {
    ...walkColumns,
    platform: textColumn('platform', '平台'),
    layer: textColumn('layer', '层次'),
    key: yesColumn('key', '重点'),
    depth: numberColumn('depth', '深度'),
    path: listColumn('shortest way', '最短路径'),
    state: textColumn('state', '状态'),
    run: textColumn('run', '运行'),
  },
  example: 'flows=P04.S3.DwdMergeBillM depth=2',
  async answer(deps, input) {
    const { about, rows } = await walked(deps, 'down', input);
    return {
      about,
      rows: rows.map(({ root, flow, depth, path, run, row }) => ({
        root,
        flowId: flow.id,
        name: flow.names,
        platform: flow.platform ?? null,
        layer: flow.layer,
        key: flow.key,
        depth,
        path,
        state: row?.state ?? null,
        run,
      })),
    };
  },
});

export const q05 = defineQuery({
  id: 'Q05',
  category: 'dependency',
  names: { en: 'All upstream flows', zh: '前置依赖查询' },
  question: {
    en: 'Which flows, interfaces, distributions and gates do these depend on?',
    zh: '它们依赖哪些流程、接口、分发和人工确认？',
  },
  rule: {
    en: 'Each upstream flow once, by its shortest path, nearest first, by the newest catalogue; its state is that in the newest scheduled run of its cycle.',
    zh: '按最新目录，每个流程取最短路径，由近及远；状态取自所属周期类型的最新计划运行。',
  },
  input: WalkInput,
  columns: {
    ...walkColumns,
    kind: textColumn('kind', '类型'),
    depth: numberColumn('depth', '深度'),
    path: listColumn('shortest way', '最短路径'),
    state: textColumn('state', '状态'),
    finishedAt: instantColumn('finished', '完成时间'),
    run: textColumn('run', '运行'),
  },
  example: 'flows=P04.S3.DwdMergeBillDtl4M',
  async answer(deps, input) {
    const { about, rows } = await walked(deps, 'up', input);
    return {
      about,
      rows: rows.map(({ root, flow, depth, path, run, row }) => ({
        root,
        flowId: flow.id,
        name: flow.names,
        kind: flow.kind,
        depth,
        path,
        state: row?.state ?? null,
        finishedAt: row?.resultAt ?? null,
        run,
      })),
    };
  },
});

export const q27 = defineQuery({
  id: 'Q27',
  category: 'support',
  names: { en: 'Preview of a rerun, force-pass or retirement', zh: '重跑、强制通过、下线预览' },
  question: {
    en: 'Which flows would it affect, in which order, and which conflicts would it meet?',
    zh: '会影响哪些流程，顺序如何，有何冲突？',
  },
  rule: {
    en: 'Nothing is changed. The run is the given one, or the newest scheduled run of the first flow. A rerun redoes everything downstream (重做后续) in this run. Where a second person must approve, the preview assumes that they do. Conflicts: what is running now, what a person must decide first, the same program and period in other runs.',
    zh: '不做任何更改。默认取首个流程所属周期类型的最新计划运行。重跑指在本运行内重做后续；需第二人审批的，按已审批预演。冲突：正在执行、须先裁定、其他运行中有相同程序与账期。',
  },
  input: { verb: z.enum(VERBS_PREVIEWED).default('rerun'), flows: Flows, run: GivenId.optional() },
  columns: {
    order: numberColumn('order', '顺序'),
    flowId: textColumn('flow', '流程'),
    name: namesColumn('name', '名称'),
    state: textColumn('state', '状态'),
    effect: namesColumn('effect', '影响'),
    key: yesColumn('key', '重点'),
    deadline: instantColumn('deadline', '截止'),
    conflict: textColumn('conflict', '冲突'),
  },
  example: 'verb=rerun flows=P04.S3.DwdMergeBillM',
  async answer(deps, { verb, flows, run }) {
    const id = run ?? (await newestRunOf(deps, flows[0]!));
    if (id === null) return { about: { verb }, rows: [] };
    const rows = await previewOf(deps, id, verb, flows);
    return { about: { verb, run: id }, rows: rows.map((row, i) => ({ order: i + 1, ...row })) };
  },
});

async function newestRunOf(deps: ServiceDeps, given: string): Promise<string | null> {
  return newestRun(deps.pool, flowOfVersion(await versionOf(deps), given).cycle, await newestOpenings(deps));
}

/** Throws `no_catalogue`, `unknown_flow`. O(V + E) for each of the flows. */
async function walked(
  deps: ServiceDeps,
  direction: 'down' | 'up',
  { flows, depth }: { readonly flows: readonly string[]; readonly depth?: number | undefined },
) {
  const version = await versionOf(deps);
  const estate = estateOfVersion(version);
  const roots = [...new Set(flows.map((given) => flowOfVersion(version, given).id))];
  const found = roots.flatMap((root) => {
    const reach = reachOf(estate, [estate.index.get(root)!], direction, depth);
    return reach.order.slice(1).map((v) => ({
      root,
      flow: estate.flows[v]!,
      depth: reach.distance[v]!,
      path: wayTo(reach, v).map((u) => estate.flows[u]!.id),
    }));
  });
  const rows = new Map<string, FlowStateRow>();
  const runs = new Map<Cycle, string | null>();
  for (const cycle of new Set(found.map(({ flow }) => flow.cycle))) {
    const run = await newestRun(deps.pool, cycle, await newestOpenings(deps));
    runs.set(cycle, run);
    if (run === null) continue;
    const { index } = await openContext(deps, run);
    const asked = [
      ...new Set(found.filter((found) => found.flow.cycle === cycle).map((found) => found.flow.id)),
    ];
    const wanted = { states: null, keep: () => true, limit: asked.length };
    const held = asked.filter((id) => index.has(id));
    for (const row of await readFirstFlowStates(deps.pool, run, held, wanted)) rows.set(row.flow, row);
  }
  return {
    about: { flows: roots.join(','), catalogue: String(version.version) },
    rows: found.map((found) => {
      const row = rows.get(found.flow.id);
      return { ...found, row, run: row === undefined ? null : runs.get(found.flow.cycle)! };
    }),
  };
}

/** Key flows: which of them, and of the flows above them, are late, and the final causes: Q14, Q15. */
import {
  defineQuery,
  instantColumn,
  listColumn,
  minutes,
  namesColumn,
  numberColumn,
  type RowOf,
  textColumn,
} from '../query.ts';
import { DayInput, FlowFilter, flowsOf, knowGroups, scopeOfDate } from '../scope.ts';
import { Around, namedFrom } from './around.ts';
import { causesOf } from './causes.ts';
import { type LateFlow, openFlows } from './due.ts';

const { layer: _layer, platform: _platform, ...GroupFilter } = FlowFilter;

const keyFlow = textColumn('key flow', '重点流程');

export const q14 = defineQuery({
  id: 'Q14',
  category: 'exception',
  names: { en: 'Late key flows and their late upstream flows', zh: '热点通报(重点保障)完成情况列表' },
  question: {
    en: 'Which key flows, and which flows upstream of them, should be done but are not?',
    zh: '哪些重点流程及其前置到时应完成而未完成？',
  },
  rule: {
    en: 'For each key flow of the day (or of a group) that is not complete: the flow itself (depth 0) and all upstream flows that are past their reference time and not complete, also in runs for which it waits (RUN/FLOW).',
    zh: '当日（或指定组内）未完成的每个重点流程：其自身（深度 0）及全部前置（含其等待的其他运行，RUN/FLOW）中已过参考时间而未完成者。',
  },
  input: { ...DayInput, ...GroupFilter },
  columns: {
    keyFlow,
    flowId: textColumn('flow', '流程'),
    name: namesColumn('name', '名称'),
    kind: textColumn('kind', '类型'),
    depth: numberColumn('depth', '深度'),
    state: textColumn('state', '状态'),
    expectedAt: instantColumn('expected', '参考时间'),
    lateMin: numberColumn('minutes late', '延迟分钟'),
  },
  example: '',
  async answer(deps, { date, group }) {
    const scope = await scopeOfDate(deps, date);
    knowGroups(scope.runs, group);
    const flows = await flowsOf(deps, scope, {});
    const above = await Around.read(deps, scope, flows, 'up');
    const rows = openFlows(flows)
      .filter((entry) => isKey(entry, group))
      .flatMap((key) =>
        openFlows(above.from(key))
          .filter(({ lateMs }) => lateMs > 0)
          .map((it) => ({
            keyFlow: key.flow.id,
            flowId: namedFrom(key.run, it),
            name: it.flow.names,
            kind: it.flow.kind,
            depth: it.depth,
            state: it.row.state,
            expectedAt: it.expectedAt,
            lateMin: minutes(it.lateMs),
          })),
      );
    return { about: { date: scope.period }, rows };
  },
});

const causeColumns = {
  rootCauseNode: textColumn('at', '原因所在'),
  causeRun: textColumn('run', '运行'),
  causeCode: textColumn('cause', '原因'),
  keyFlow,
  causeText: namesColumn('text', '说明'),
  since: instantColumn('since', '起始'),
  blocks: numberColumn('blocks', '阻塞流程数'),
  chain: listColumn('chain', '链路'),
  owner: textColumn('owner', '负责人'),
};

export const q15 = defineQuery({
  id: 'Q15',
  category: 'exception',
  names: { en: 'Why key flows are late', zh: '热点通报及依赖没完成的大致原因' },
  question: {
    en: 'What are the final causes of late key flows?',
    zh: '重点流程及其前置未完成的最终原因是什么？',
  },
  rule: {
    en: 'The final causes (as in Q17) of key flows that are past their reference time and not complete, grouped by the flow that has the cause; the chain leads from the key flow to it.',
    zh: '已过参考时间而未完成的重点流程的最终原因（同 Q17），按原因所在流程归并；链路由重点流程指向原因。',
  },
  input: { ...DayInput, ...GroupFilter },
  columns: causeColumns,
  example: '',
  async answer(deps, { date, group }) {
    const scope = await scopeOfDate(deps, date);
    knowGroups(scope.runs, group);
    const late = openFlows(await flowsOf(deps, scope, {})).filter(
      (flow) => isKey(flow, group) && flow.lateMs > 0,
    );
    const causes = causesOf(deps);
    const rows: RowOf<typeof causeColumns>[] = [];
    for (const it of late) {
      const why = await (await causes(it.run)).whyAcross();
      const { causes: found } = why(it.run.index.get(it.flow.id)!, MOST_CAUSES);
      for (const cause of found)
        rows.push({
          rootCauseNode: cause.flow,
          causeRun: cause.run,
          causeCode: cause.code,
          keyFlow: it.flow.id,
          causeText: cause.text,
          since: cause.since,
          blocks: cause.blocks,
          chain: cause.chain,
          owner: cause.owner,
        });
    }
    const place = (row: (typeof rows)[number]): string =>
      `${row.causeRun}/${row.rootCauseNode}/${row.causeCode}`;
    const sizes = new Map<string, number>();
    for (const row of rows) sizes.set(place(row), (sizes.get(place(row)) ?? 0) + 1);
    // A cause that holds up more key flows comes first.
    rows.sort(
      (a, b) =>
        sizes.get(place(b))! - sizes.get(place(a))! ||
        (place(a) < place(b) ? -1 : place(a) > place(b) ? 1 : a.keyFlow! < b.keyFlow! ? -1 : 1),
    );
    return { about: { date: scope.period }, rows };
  },
});

const MOST_CAUSES = 50;

const isKey = ({ flow }: LateFlow, group: readonly string[] | undefined): boolean =>
  flow.key && (group === undefined || flow.groups.some((other) => group.includes(other)));

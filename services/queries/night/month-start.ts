/** The month start as a board, and what an event-triggered flow waits for: Q06, Q28. */

import { GivenId, listOf, text } from '../../../contract/fields.ts';
import { SluiceError } from '../../../errors.ts';
import type { Flow } from '../../../graph/model.ts';
import { readFlowStates } from '../../../store/history/flows.ts';
import { readWhyFacts } from '../../../store/history/history.ts';
import { readClock } from '../../../store/record/snapshot.ts';
import { flowOfRun } from '../../runs/find.ts';
import {
  defineQuery,
  instantColumn,
  minutes,
  namesColumn,
  numberColumn,
  type RowOf,
  textColumn,
  yesColumn,
} from '../query.ts';
import {
  flowsOf,
  isComplete,
  MonthInput,
  type ScopedRun,
  scopedRun,
  scopeOfMonth,
  usualRun,
} from '../scope.ts';
import { readCauses } from './causes.ts';
import { dueTimes } from './due.ts';

const conditionColumns = {
  flowId: textColumn('flow', '流程'),
  conditionKind: textColumn('condition', '条件类型'),
  interfaceNo: textColumn('interface', '接口号'),
  subControlTable: textColumn('sub-control table', '分控表'),
  required: textColumn('required', '要求'),
  actual: textColumn('actual', '实际'),
  met: yesColumn('met', '满足'),
  metAt: instantColumn('met at', '满足时间'),
};

export const q06 = defineQuery({
  id: 'Q06',
  category: 'dependency',
  names: { en: 'Conditions of an event-triggered flow', zh: '事件触发程序执行条件查询' },
  question: {
    en: 'Which interfaces and sub-control rows does an event-triggered flow wait for?',
    zh: '事件触发程序依赖哪些接口、判断哪些分控表？',
  },
  rule: {
    en: 'The event itself and every direct upstream flow: interfaces must be loaded, checks (which query sub-control tables) must be true, other flows must be done.',
    zh: '事件本身，以及全部直接前置：接口须装载完成，检查（判断分控表）须通过，其他流程须完成。',
  },
  input: { flow: GivenId.optional(), run: text(60).optional() },
  columns: conditionColumns,
  example: 'flow=P04.S3.DwdMergeBillM',
  async answer(deps, { flow: asked, run }) {
    if (asked === undefined) throw new SluiceError('invalid_request', 'name a flow: flow=ID');
    const context = await scopedRun(deps, run ?? (await usualRun(deps)), await readClock(deps.pool));
    const flow = flowOfRun(context, asked);
    const v = context.index.get(flow.id)!;
    const { facts } = await readWhyFacts(deps.pool, context, deps);
    const rows: RowOf<typeof conditionColumns>[] = [];
    const none = { interfaceNo: null, subControlTable: null };
    if (flow.trigger === 'event') {
      const at = facts.triggeredAt[v]!;
      rows.push({
        flowId: flow.id,
        conditionKind: 'event',
        ...none,
        required: flow.event!,
        actual: at === 0 ? null : flow.event!,
        met: at !== 0,
        metAt: at === 0 ? null : at,
      });
    }
    const { graph } = context;
    const above = Array.from(
      { length: graph.upOff[v + 1]! - graph.upOff[v]! },
      (_, i) => graph.up[graph.upOff[v]! + i]!,
    );
    const ids = above.map((u) => graph.ids[u]!);
    const states = new Map(
      (await readFlowStates(deps.pool, context.run.id, ids)).map((row) => [row.flow, row]),
    );
    for (const id of ids) {
      const upstream = context.flow(id);
      const row = states.get(id);
      const met = row !== undefined && (isComplete(row) || row.result === 'skipped');
      rows.push({
        flowId: flow.id,
        conditionKind: upstream.kind,
        ...askedOf(upstream),
        required: REQUIRED[upstream.kind],
        actual: `${id}: ${row?.state ?? '-'}`,
        met,
        metAt: met ? row.resultAt : null,
      });
    }
    return { about: { run: context.run.id }, rows };
  },
});

const REQUIRED = {
  interface: 'loaded',
  check: 'yes',
  gate: 'confirmed',
  distribution: 'imported',
  job: 'done',
  notify: 'sent',
} as const satisfies Record<Flow['kind'], string>;

/** What a condition asks about: the number of an interface, or the tables that a check reads. */
const askedOf = ({ id, kind, interface: feed, reads }: Flow) => ({
  interfaceNo: kind === 'interface' ? (feed?.no ?? id) : null,
  subControlTable: kind === 'check' && reads.length > 0 ? reads.join(' ') : null,
});

export const q28 = defineQuery({
  id: 'Q28',
  category: 'support',
  names: { en: 'Month-start board', zh: '月初看板' },
  question: { en: 'What is the state of each step of the month start?', zh: '月初各规程每一步进展如何？' },
  rule: {
    en: 'All flows of the procedures, in the order of their steps. A gate names the role that confirms it. Lateness is measured against the reference time, or against the deadline where there is none. The cause is the first final one.',
    zh: '各规程的全部流程，按步骤排列；人工确认列出确认角色；以参考时间（无则以截止时间）判断延迟；原因为首个最终原因。',
  },
  input: { ...MonthInput, procedure: listOf(GivenId).optional() },
  columns: {
    procedure: textColumn('procedure', '规程'),
    step: numberColumn('step', '步骤'),
    flowId: textColumn('flow', '流程'),
    name: namesColumn('name', '名称'),
    kind: textColumn('kind', '类型'),
    role: textColumn('role', '角色'),
    state: textColumn('state', '状态'),
    endedAt: instantColumn('ended', '结束'),
    expectedAt: instantColumn('expected', '应完成时间'),
    lateMin: numberColumn('minutes late', '延迟分钟'),
    causeCode: textColumn('cause', '原因'),
    causeFlow: textColumn('at', '原因所在'),
  },
  example: 'procedure=P04',
  async answer(deps, { month, procedure }) {
    const scope = await scopeOfMonth(deps, month);
    const run: ScopedRun | undefined = scope.runs[0];
    if (run === undefined) return { about: { month: scope.period }, rows: [] };
    const { first } = await readCauses(deps, run);
    const dueOf = dueTimes(run);
    const flows = (await flowsOf(deps, scope, {})).filter(
      ({ flow }) =>
        flow.procedure !== undefined && (procedure === undefined || procedure.includes(flow.procedure)),
    );
    const rows = flows
      .sort(
        (a, b) =>
          compareText(a.flow.procedure!, b.flow.procedure!) || (a.flow.step ?? 0) - (b.flow.step ?? 0),
      )
      .map(({ flow, row }) => {
        const expectedAt = dueOf(flow, row);
        const end = isComplete(row) ? row.resultAt! : run.now;
        const cause = first.get(flow.id)?.first ?? null;
        return {
          procedure: flow.procedure!,
          step: flow.step ?? null,
          flowId: flow.id,
          name: flow.names,
          kind: flow.kind,
          role: flow.person?.role ?? null,
          state: row.state,
          endedAt: isComplete(row) ? row.resultAt : null,
          expectedAt,
          lateMin: expectedAt === null ? null : minutes(Math.max(0, end - expectedAt)),
          causeCode: cause?.code ?? null,
          causeFlow: cause?.flow ?? null,
        };
      });
    return { about: { month: scope.period, run: run.run.id }, rows };
  },
});

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Flows that are not done although they should be: Q16, Q18, Q19, Q20, Q22. */
import { z } from 'zod';
import { GivenId } from '../../../contract/fields.ts';
import { periodSpan } from '../../../graph/calendar/calendar.ts';
import { reachOf } from '../../../graph/compiled/reach.ts';
import { readClock } from '../../../store/record/snapshot.ts';
import { openScheduledRuns } from '../../../store/schedules/scheduled-runs.ts';
import type { ServiceDeps } from '../../deps.ts';
import { clockOf } from '../clock.ts';
import { defineQuery, instantColumn, minutes, namesColumn, numberColumn, textColumn } from '../query.ts';
import {
  DayInput,
  FlowFilter,
  flowsOf,
  MonthInput,
  type ScopedRun,
  scopedRun,
  scopeOfDate,
  scopeOfDay,
  scopeOfMonth,
} from '../scope.ts';
import { causesOf } from './causes.ts';
import { type LateFlow, openFlows } from './due.ts';

const DAY_MS = 86_400_000;

const flowId = textColumn('flow', '流程');
const name = namesColumn('name', '名称');
const platform = textColumn('platform', '平台');
const state = textColumn('state', '状态');
const expectedAt = instantColumn('expected', '参考时间');
const lateMin = numberColumn('minutes late', '延迟分钟');
const causeCode = textColumn('cause', '原因');

/** The latest first; flows without an expected time come last. */
const byLateness = (a: LateFlow, b: LateFlow): number =>
  b.lateMs - a.lateMs ||
  (a.expectedAt ?? Number.MAX_SAFE_INTEGER) - (b.expectedAt ?? Number.MAX_SAFE_INTEGER) ||
  (a.flow.id < b.flow.id ? -1 : 1);

export const q16 = defineQuery({
  id: 'Q16',
  category: 'exception',
  names: { en: 'Daily upstream flows of the first-level BI that have not run', zh: '一经前置日程序哪些没跑' },
  question: {
    en: 'Which daily programs of the first-level BI have not run?',
    zh: '一经的前置日程序中哪些还没有跑？',
  },
  rule: {
    en: 'Flows of one group that are not complete, latest first. Without a group: of firstLevelBiPre; where no flow is in that, key flows and all flows above them.',
    zh: '指定组中未完成的流程，延迟最久的在前。未指定组时取 firstLevelBiPre；没有流程属于该组时取重点流程及其全部前置。',
  },
  input: { ...DayInput, group: GivenId.optional() },
  columns: { flowId, name, state, expectedAt, lateMin, owner: textColumn('owner', '负责人') },
  example: 'group=dwdMonthChain',
  async answer(deps, { date, group }) {
    const scope = await scopeOfDate(deps, date);
    const named = group ?? (isGroup(scope.runs, USUAL_GROUP) ? USUAL_GROUP : null);
    const found = await flowsOf(deps, scope, named === null ? {} : { group: [named] });
    const watched = new Map(scope.runs.map((run) => [run, named === null ? keyOrAbove(run) : null]));
    const flows = openFlows(found)
      .filter(({ run, flow }) => watched.get(run)?.has(flow.id) ?? true)
      .sort(byLateness);
    const rows = flows.map((flow) => ({ ...columnsOf(flow), owner: flow.flow.owner ?? null }));
    return { about: { date: scope.period, ...(named === null ? {} : { group: named }) }, rows };
  },
});

/** The flows above the first level of BI, by the name of the handbook. */
const USUAL_GROUP = 'firstLevelBiPre';

const isGroup = (runs: readonly ScopedRun[], group: string): boolean =>
  runs.some(({ version }) => [...version.flows.values()].some(({ groups }) => groups.includes(group)));

/** Ids of the key flows of a run, and of all flows above them. O(V + E). */
function keyOrAbove({ graph }: ScopedRun): ReadonlySet<string> {
  const keys = [...graph.ids.keys()].filter((v) => graph.attrOf(v).key);
  return new Set(reachOf(graph, keys, 'up').order.map((v) => graph.ids[v]!));
}

export const q18 = defineQuery({
  id: 'Q18',
  category: 'exception',
  names: { en: 'Daily flows that have not run', zh: '监控日流程没跑的' },
  question: { en: 'Which daily flows have not succeeded today?', zh: '今天哪些日流程没有成功？' },
  rule: {
    en: 'All flows of the day run that are not complete, latest first, each with its first final cause.',
    zh: '当日运行中未完成的全部流程，延迟最久的在前，附首个最终原因。',
  },
  input: { ...DayInput, ...FlowFilter },
  columns: {
    flowId,
    name,
    platform,
    state,
    expectedAt,
    lateMin,
    causeCode,
    causeFlow: textColumn('at', '原因所在'),
  },
  example: 'layer=DWD',
  async answer(deps, { date, ...filter }) {
    const scope = await scopeOfDay(deps, date);
    const days = scope.runs.filter(({ run }) => run.cycle === 'day');
    const flows = openFlows(await flowsOf(deps, { runs: days }, filter)).sort(byLateness);
    return { about: { date: scope.period }, rows: await withCauses(deps, flows) };
  },
});

export const q22 = defineQuery({
  id: 'Q22',
  category: 'exception',
  names: { en: 'Monthly flows that have not run', zh: '监控月流程没跑的' },
  question: { en: 'Which monthly flows should be done but are not?', zh: '哪些月流程应完成而未完成？' },
  rule: {
    en: 'Monthly flows that are not complete and past their reference time; without one, past their deadline; without either, past the 7th of the following month.',
    zh: '已过参考时间（无则截止时间，再无则次月 7 日）而未完成的月流程。',
  },
  input: { ...MonthInput, ...FlowFilter },
  columns: {
    flowId,
    name,
    platform,
    step: numberColumn('step', '步骤'),
    expectedDay: instantColumn('expected', '应完成时间'),
    state,
    lateDays: numberColumn('days late', '延迟天数'),
    causeCode,
    causeFlow: textColumn('at', '原因所在'),
  },
  example: 'platform=yt,mpp',
  async answer(deps, { month, ...filter }) {
    const scope = await scopeOfMonth(deps, month);
    const flows = openFlows(await flowsOf(deps, scope, filter))
      .filter(({ lateMs }) => lateMs > 0)
      .sort(byLateness);
    const rows = (await withCauses(deps, flows)).map(({ expectedAt, ...row }, i) => ({
      ...row,
      step: flows[i]!.flow.step ?? null,
      expectedDay: expectedAt,
      lateDays: inDays(flows[i]!.lateMs),
    }));
    return { about: { month: scope.period }, rows };
  },
});

const LateInput = {
  ...FlowFilter,
  /** Leaves out flows that are late enough for the next query of this kind, too. */
  exclusive: z.stringbool().default(false),
};
const lateColumns = {
  flowId,
  name,
  oldestOpenPeriod: textColumn('oldest open period', '最早未完成账期'),
  openPeriods: numberColumn('open periods', '未完成账期数'),
  daysLate: numberColumn('days late', '延迟天数'),
  causeClass: textColumn('cause', '原因分类'),
  note: textColumn('note', '备注'),
  handler: textColumn('handled by', '处理人'),
};

export const q19 = lateByDays('Q19', 1, '超过1天未完成列表', 'Not done for more than one day');
export const q20 = lateByDays('Q20', 2, '超过2天未完成列表', 'Not done for more than two days');

function lateByDays(id: string, days: number, zh: string, en: string) {
  return defineQuery({
    id,
    category: 'exception',
    names: { en, zh },
    question: {
      en: `Which programs are late by more than ${days} d, and who handles them?`,
      zh: `哪些程序延迟超过 ${days} 天，由谁处理？`,
    },
    rule: {
      en: `Day flows whose oldest open period should have been done more than ${days} d ago (exclusive=true: and no more than ${days + 1} d): by its reference time or deadline, without either by the end of the period. Cause, note and handler are those of that period; the note is what was said with the last decision about the flow.`,
      zh: `最早未完成账期的应完成时间（参考时间或截止时间，均无则账期末）已过 ${days} 天以上的日流程（exclusive=true：且不超过 ${days + 1} 天）。原因、备注与处理人取自该账期，备注为最近一次人工干预的理由。`,
    },
    input: LateInput,
    columns: lateColumns,
    example: 'exclusive=true',
    async answer(deps, { exclusive, ...filter }) {
      const late = await oldestOpen(deps, filter);
      const rows = late
        .filter(({ days: n }) => n > days && (!exclusive || n <= days + 1))
        .sort((a, b) => b.days - a.days);
      return {
        about: {},
        rows: rows.map(({ days: daysLate, ...row }) => ({
          ...row,
          daysLate: Math.round(daysLate * 10) / 10,
        })),
      };
    },
  });
}

/** For each flow the oldest period in which it is not done, among the scheduled day runs that are not finished. */
async function oldestOpen(deps: ServiceDeps, filter: FlowFilter) {
  const now = await readClock(deps.pool);
  const causes = causesOf(deps);
  const { timeZone } = await clockOf(deps);
  const found = new Map<string, { first: LateFlow; periods: number }>();
  for (const id of await openScheduledRuns(deps.pool, 'day')) {
    const run = await scopedRun(deps, id, now);
    for (const it of openFlows(await flowsOf(deps, { runs: [run] }, filter))) {
      const known = found.get(it.flow.id);
      if (known === undefined) found.set(it.flow.id, { first: it, periods: 1 });
      else known.periods++;
    }
  }
  const rows = [];
  for (const { first, periods } of found.values()) {
    const { period, cycle } = first.run.run;
    const due = first.expectedAt ?? periodSpan(cycle, period, timeZone).endMs;
    if (now - due < DAY_MS) continue;
    const { reading, first: causeOf } = await causes(first.run);
    const last = reading.facts.overrides.get(first.run.index.get(first.flow.id)!)?.at(-1);
    rows.push({
      flowId: first.flow.id,
      name: first.flow.names,
      oldestOpenPeriod: period,
      openPeriods: periods,
      days: (now - due) / DAY_MS,
      causeClass: causeOf.get(first.flow.id)?.first?.code ?? null,
      note: last?.reason ?? first.flow.note ?? null,
      handler: last?.actor ?? null,
    });
  }
  return rows;
}

function columnsOf({ flow, row, expectedAt: at, lateMs }: LateFlow) {
  return { flowId: flow.id, name: flow.names, state: row.state, expectedAt: at, lateMin: minutes(lateMs) };
}

async function withCauses(deps: ServiceDeps, flows: readonly LateFlow[]) {
  const causes = causesOf(deps);
  const rows = [];
  for (const it of flows) {
    const first = (await causes(it.run)).first.get(it.flow.id)?.first ?? null;
    rows.push({
      ...columnsOf(it),
      platform: it.flow.platform ?? null,
      causeCode: first?.code ?? null,
      causeFlow: first?.flow ?? null,
    });
  }
  return rows;
}

const inDays = (ms: number): number => Math.round((ms / DAY_MS) * 10) / 10;

/** How long flows run, and what made them later than before: Q09, Q25. */
import { z } from 'zod';
import { GivenId, text } from '../../../contract/fields.ts';
import { SluiceError } from '../../../errors.ts';
import { cycleOf, runId } from '../../../graph/calendar/calendar.ts';
import type { Flow } from '../../../graph/model.ts';
import type { Part } from '../../../graph/timing/lateness.ts';
import { recentDurations } from '../../../store/history/durations.ts';
import { readFlowStates } from '../../../store/history/flows.ts';
import type { RunContext } from '../../../store/record/run-context.ts';
import { readClock } from '../../../store/record/snapshot.ts';
import { newestRun, scheduledRuns } from '../../../store/schedules/scheduled-runs.ts';
import { newestCatalogue, newestOpenings } from '../../catalogue/newest-catalogue.ts';
import type { ServiceDeps } from '../../deps.ts';
import { flowOfRun, openContext, requireGroups } from '../../runs/find.ts';
import { type Against, latenessOf } from '../../timing/lateness-answer.ts';
import { overLongFlows } from '../../timing/over-long.ts';
import { vertexOf } from '../../why/why-answer.ts';
import {
  defineQuery,
  instantColumn,
  minutes,
  namesColumn,
  numberColumn,
  offset,
  ratioColumn,
  textColumn,
  yesColumn,
} from '../query.ts';
import { FlowFilter, fits } from '../scope.ts';

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

export const q09 = defineQuery({
  id: 'Q09',
  category: 'exception',
  names: { en: 'Long-running flows', zh: '运行超长时间流程查询' },
  question: {
    en: 'Which flows took too long on average in the last week, and which have been running too long now?',
    zh: '一周内平均运行时间超长的流程有哪些，当前哪些运行超长？',
  },
  rule: {
    en: 'Successful attempts of scheduled runs that ended in the last `days` days; lists flows whose average reaches the threshold. Trend: this average against that of the same number of days before. Over-long now: running for more than an hour, or for more than 1.5 times its own seven-day average and at least a minute longer; such flows are always listed.',
    zh: '最近若干天内结束的正常运行的成功执行，列出平均达到阈值的流程；趋势为与之前同样天数的平均之比。当前超长：运行超过一小时，或超过自身七日平均的 1.5 倍（且多出一分钟以上），一律列出。',
  },
  input: {
    ...FlowFilter,
    days: z.coerce.number().int().min(1).max(31).default(7),
    /** At most a year. */
    thresholdMinutes: z.coerce.number().min(0).max(527_040).default(60),
  },
  columns: {
    flowId: textColumn('flow', '流程'),
    name: namesColumn('name', '名称'),
    platform: textColumn('platform', '平台'),
    runs: numberColumn('runs', '次数'),
    avgMin: numberColumn('average minutes', '平均分钟'),
    maxMin: numberColumn('longest', '最长分钟'),
    p95Min: numberColumn('95th percentile', '95 分位分钟'),
    previousWeekAvg: numberColumn('average before', '上期平均分钟'),
    trend: ratioColumn('trend', '趋势'),
    overLongNow: yesColumn('over-long now', '当前超长'),
    runningMin: numberColumn('running for minutes', '已运行分钟'),
    run: textColumn('run', '运行'),
  },
  example: 'thresholdMinutes=60',
  async answer(deps, { days, thresholdMinutes, ...filter }) {
    const now = await readClock(deps.pool);
    const flows = (await newestCatalogue(deps))?.flows ?? new Map<string, Flow>();
    requireGroups(flows.values(), filter.group);
    const over = (await overLongFlows(deps)).filter(({ definition }) => fits(definition, filter));
    // When a flow runs in several runs, the attempt that has run longest counts: it is the first in `over`, and the last that the map gets.
    const running = new Map(over.toReversed().map((entry) => [entry.flow, entry]));
    const recent = await recentDurations(deps.pool, {
      now,
      windowMs: days * DAY_MS,
      atLeastMs: Math.round(thresholdMinutes * MINUTE_MS),
      also: [...running.keys()],
    });
    const rowOf = (flow: Flow, entry: (typeof recent)[number] | undefined) => {
      const long = running.get(flow.id);
      return {
        flowId: flow.id,
        name: flow.names,
        platform: flow.platform ?? null,
        runs: entry?.runs ?? 0,
        avgMin: minutes(entry?.avgMs ?? null),
        maxMin: minutes(entry?.maxMs ?? null),
        p95Min: minutes(entry?.p95Ms ?? null),
        previousWeekAvg: minutes(entry?.beforeMs ?? null),
        trend: offset(entry?.avgMs ?? null, entry?.beforeMs ?? null),
        overLongNow: long !== undefined,
        runningMin: minutes(long?.elapsedMs ?? null),
        run: long?.run ?? null,
      };
    };
    const listed = recent.flatMap((entry) => {
      const flow = flows.get(entry.flow) ?? running.get(entry.flow)?.definition;
      return flow === undefined || !fits(flow, filter) ? [] : [rowOf(flow, entry)];
    });
    const there = new Set(listed.map((row) => row.flowId));
    const first = [...running.values()].filter(({ flow }) => !there.has(flow));
    const rows = [...first.map(({ definition }) => rowOf(definition, undefined)), ...listed];
    return { about: { days: String(days), thresholdMinutes: String(thresholdMinutes) }, rows };
  },
});

const COMPARED = ['previous', 'weekday', 'median', 'reference'] as const;
/** Number of earlier periods for `median`: the run in the middle of them is the reference. */
const MEDIAN_OF = 30;

export const q25 = defineQuery({
  id: 'Q25',
  category: 'exception',
  names: { en: 'Why a flow was late', zh: '查程序延迟大致原因' },
  question: {
    en: 'Why was the flow done later than the day before?',
    zh: '今日该程序为何比昨日完成得晚？',
  },
  rule: {
    en: 'One row for each flow on the critical path of today, in order of time, with what it adds to the lateness. Waiting is all time but running, less the slack of the day compared with. The first row is the opening of the run. The rows add up to the lateness of the flow, to the millisecond. Compared with the newest earlier run in which the flow was done, with the run of compareDate, with the same weekday, with the median of 30 periods, or with reference times.',
    zh: '沿今日关键路径按时间顺序，每个流程一行，列出其对延迟的贡献；等待指执行以外的全部时间，并扣除对比日的余量；首行为运行打开。各行相加恰为总延迟，精确到毫秒。对比对象：此前最近一个完成该流程的账期（或 compareDate）、同一星期几、30 个账期的中位、参考时间。',
  },
  input: {
    flow: GivenId.optional(),
    /** The period of a run that has the flow. Default: the newest day run that has it, else month run, else hour run. */
    date: text(10).optional(),
    compareDate: text(10).optional(),
    compare: z.enum(COMPARED).default('previous'),
  },
  columns: {
    flowId: textColumn('flow', '流程'),
    name: namesColumn('name', '名称'),
    finishToday: instantColumn('done', '今日完成'),
    finishYesterday: instantColumn('done then', '对比日完成'),
    deltaMin: numberColumn('later by minutes', '延迟分钟'),
    deltaWait: numberColumn('by waiting', '等待所致分钟'),
    deltaRun: numberColumn('by running', '运行所致分钟'),
    deltaMs: numberColumn('ms', '毫秒'),
    mainCause: yesColumn('main cause', '主要原因'),
  },
  example: 'flow=P04.S3.DwdMergeBillDtl4M',
  async answer(deps, { flow: given, date, compareDate, compare }) {
    if (given === undefined) throw new SluiceError('invalid_request', 'name the flow: flow=ID');
    const context = await contextWith(deps, given, date);
    const flow = flowOfRun(context, given);
    const against: Against =
      compareDate !== undefined
        ? { kind: 'run', run: runId(context.run.cycle, compareDate) }
        : compare === 'median'
          ? { kind: 'median', of: MEDIAN_OF }
          : compare === 'reference'
            ? { kind: 'times' }
            : { kind: 'class', dayClass: compare };
    const v = context.index.get(flow.id)!;
    const found = await latenessOf(
      deps,
      context,
      () => v,
      against,
      (work) => work(),
    );
    const ends = await endsOf(deps, context, found.reference.run, found.flows);
    const rows = contributions(found.parts, found.flows).map(({ flow: id, ms, runMs }) => ({
      flowId: id ?? context.run.id,
      name: id === null ? OPENING : context.flow(id).names,
      ...(id === null ? { finishToday: context.run.openedAt, finishYesterday: ends.openedAt } : ends.of(id)),
      deltaMin: minutes(ms),
      deltaWait: minutes(ms - runMs),
      deltaRun: minutes(runMs),
      deltaMs: ms,
      mainCause: found.mainCause !== null && found.mainCause.flow === id,
    }));
    const reference = found.reference.run ?? 'reference';
    return {
      about: { run: context.run.id, flow: flow.id, reference, totalMs: String(found.total) },
      rows,
    };
  },
});

const OPENING = { en: 'opening of the run', zh: '运行打开' };

/** What the opening and then each flow of the path adds to the lateness, in order of time; flows that add nothing are there, too. */
export function contributions(
  parts: readonly Part[],
  path: readonly string[],
): { flow: string | null; ms: number; runMs: number }[] {
  const byFlow = new Map<string | null, { flow: string | null; ms: number; runMs: number }>();
  for (const flow of [null, ...path]) byFlow.set(flow, { flow, ms: 0, runMs: 0 });
  for (const { flow, kind, ms } of parts) {
    const sum = byFlow.get(flow)!;
    sum.ms += ms;
    if (kind === 'run') sum.runMs += ms;
  }
  return [...byFlow.values()].filter(({ flow, ms }) => flow !== null || ms !== 0);
}

/** The run of the day, month or hour, or the newest one, that has the flow. Throws `invalid_period`, `unknown_run`, `unknown_flow`. */
async function contextWith(deps: ServiceDeps, flow: string, date: string | undefined): Promise<RunContext> {
  let other: RunContext | null = null;
  const openings = date === undefined ? await newestOpenings(deps) : null;
  const runs =
    date === undefined
      ? await Promise.all(
          (['day', 'month', 'hour'] as const).map((cycle) => newestRun(deps.pool, cycle, openings)),
        )
      : await scheduledRuns(deps.pool, [[cycleOf(date), date]]);
  for (const run of runs) {
    if (run === null) continue;
    const context = await openContext(deps, run);
    if (vertexOf(context, flow) >= 0) return context;
    other ??= context;
  }
  if (other === null)
    throw new SluiceError(
      'unknown_run',
      `no run ${date === undefined ? 'was opened yet' : `of ${date} was opened`}`,
    );
  flowOfRun(other, flow);
  return other;
}

/** When the flows were done today and in the reference run, and when that run was opened. */
async function endsOf(
  deps: ServiceDeps,
  { run }: RunContext,
  reference: string | null,
  flows: readonly string[],
) {
  const [today, then, opened] = await Promise.all([
    readFlowStates(deps.pool, run.id, flows),
    reference === null ? [] : readFlowStates(deps.pool, reference, flows),
    reference === null ? null : openContext(deps, reference),
  ]);
  const ends = (rows: typeof today) => new Map(rows.map((row) => [row.flow, row.resultAt]));
  const [endsToday, endsThen] = [ends(today), ends(then)];
  return {
    openedAt: opened?.run.openedAt ?? null,
    of: (flow: string) => ({
      finishToday: endsToday.get(flow) ?? null,
      finishYesterday: endsThen.get(flow) ?? null,
    }),
  };
}

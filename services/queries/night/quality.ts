/** Q30: interfaces that start in a time window. Whether the numbers are right: Q34, rows against the other side and against usual; Q35, effort by group. */
import { z } from 'zod';
import { GivenId, listOf } from '../../../contract/fields.ts';
import { shiftPeriod } from '../../../graph/calendar/calendar.ts';
import type { Flow } from '../../../graph/model.ts';
import { effortOf, type FlowEffort, reportedRows, usualRows } from '../../../store/agents/attempt-lists.ts';
import { runsBefore } from '../../../store/schedules/scheduled-runs.ts';
import type { ServiceDeps } from '../../deps.ts';
import { clockOf } from '../clock.ts';
import {
  defineQuery,
  instantColumn,
  minutes,
  namesColumn,
  numberColumn,
  offset,
  type RowOf,
  ratioColumn,
  textColumn,
} from '../query.ts';
import {
  DayInput,
  FlowFilter,
  fits,
  flowsOf,
  grouped,
  knowGroups,
  type ScopedRun,
  scopeOfDate,
  scopeOfDay,
} from '../scope.ts';
import { dueTimes } from './due.ts';

const ClockTime = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'a clock time is written like 03:00');

export const q30 = defineQuery({
  id: 'Q30',
  category: 'support',
  names: { en: 'Interfaces scheduled in a time window', zh: '时间窗口内调度的接口' },
  question: {
    en: 'Which interfaces of a database start in a maintenance window?',
    zh: '某库维护窗口内有哪些接口调度？',
  },
  rule: {
    en: 'Interfaces of the day whose start time, or without one the opening of their run, lies between two clock times. The window crosses midnight when `from` is later than `to`.',
    zh: '启动时间（无则运行打开时间）落在两个时刻之间的接口；from 晚于 to 时跨零点。',
  },
  input: {
    ...DayInput,
    source: listOf(GivenId).optional(),
    from: ClockTime.default('00:00'),
    to: ClockTime.default('03:00'),
  },
  columns: {
    interfaceNo: textColumn('interface', '接口号'),
    flowId: textColumn('flow', '流程'),
    name: namesColumn('name', '名称'),
    source: textColumn('database', '源库'),
    startsAt: instantColumn('starts', '启动时间'),
    expectedAt: instantColumn('expected', '参考时间'),
    state: textColumn('state', '状态'),
  },
  example: 'from=00:00 to=03:00',
  async answer(deps, { date, source, from, to }) {
    const { minuteOf } = await clockOf(deps);
    const scope = await scopeOfDate(deps, date);
    const due = new Map(scope.runs.map((run) => [run, dueTimes(run)]));
    const rows = (await flowsOf(deps, scope, {})).flatMap(({ run, flow, row }) => {
      if (flow.kind !== 'interface') return [];
      const of = flow.interface?.source ?? null;
      if (source !== undefined && !source.includes(of ?? '')) return [];
      const startsAt = row.start === 0 ? run.run.openedAt : row.start;
      if (!within(minuteOf(startsAt), from, to)) return [];
      return [
        {
          interfaceNo: flow.interface?.no ?? flow.id,
          flowId: flow.id,
          name: flow.names,
          source: of,
          startsAt,
          expectedAt: due.get(run)!(flow, row),
          state: row.state,
        },
      ];
    });
    rows.sort((a, b) => a.startsAt - b.startsAt || (a.flowId < b.flowId ? -1 : 1));
    return { about: { date: scope.period, from, to }, rows };
  },
});

const within = (clock: string, from: string, to: string): boolean =>
  from <= to ? clock >= from && clock < to : clock >= from || clock < to;

const qualityColumns = {
  kind: textColumn('compared', '比较类型'),
  flowId: textColumn('flow', '流程'),
  name: namesColumn('name', '名称'),
  against: textColumn('against', '比较对象'),
  rows: numberColumn('rows', '行数'),
  reference: numberColumn('reference', '参考'),
  difference: numberColumn('difference', '差值'),
  ratio: ratioColumn('ratio', '偏差'),
};
type QualityRow = RowOf<typeof qualityColumns>;

export const q34 = defineQuery({
  id: 'Q34',
  category: 'support',
  names: { en: 'Data quality by row counts', zh: '数据质量（行数核对）' },
  question: { en: 'Where do row counts disagree?', zh: '哪些行数不一致或异常？' },
  rule: {
    en: 'Row counts reported by the last successful attempts: each import against its export and each interface on one platform against the other (any difference), and each flow against its median of the previous 30 periods (off by more than minRatio, default 20 %, with at least 7 periods).',
    zh: '以最近一次成功执行上报的行数核对：入库对出库、同一接口两平台互比（有差异即列出）、与前 30 个账期中位数相比（偏差超过 minRatio，默认 20%，至少 7 个账期）。',
  },
  input: { ...DayInput, ...FlowFilter, minRatio: z.coerce.number().min(0).default(0.2) },
  columns: qualityColumns,
  example: 'minRatio=0.2',
  async answer(deps, { date, minRatio, ...filter }) {
    const scope = await scopeOfDate(deps, date);
    knowGroups(scope.runs, filter.group);
    const rows: QualityRow[] = [];
    for (const run of scope.runs) {
      const counts = await reportedRows(deps.pool, run.run.id);
      const flows = run.graph.ids
        .map((id) => run.flow(id))
        .filter((flow) => fits(flow, filter) && counts.has(flow.id));
      rows.push(...exportsAgainstImports(flows, counts), ...platformsAgainstEachOther(flows, counts));
      rows.push(...(await againstUsual(deps, run, flows, counts, minRatio)));
    }
    return { about: { date: scope.period, minRatio: String(minRatio) }, rows };
  },
});

function compared(
  kind: string,
  { id, names }: Flow,
  against: string,
  rows: number,
  reference: number,
): QualityRow {
  const difference = rows - reference;
  return {
    kind,
    flowId: id,
    name: names,
    against,
    rows,
    reference,
    difference,
    ratio: offset(rows, reference),
  };
}

function exportsAgainstImports(flows: readonly Flow[], counts: ReadonlyMap<string, number>): QualityRow[] {
  return flows.flatMap((flow) => {
    if (flow.program?.type !== 'import') return [];
    const half = `${flow.program.distribution}.export`;
    const [loaded, sent] = [counts.get(flow.id)!, counts.get(half)];
    return sent === undefined || sent === loaded ? [] : [compared('import', flow, half, loaded, sent)];
  });
}

function platformsAgainstEachOther(
  flows: readonly Flow[],
  counts: ReadonlyMap<string, number>,
): QualityRow[] {
  const feeds = grouped(
    flows.filter((flow) => flow.interface !== undefined),
    (flow) => flow.interface!.no,
  );
  return [...feeds.values()].flatMap((nodes) => {
    const first = nodes[0]!;
    const other = nodes.find(({ platform }) => platform !== first.platform);
    if (other === undefined || counts.get(first.id) === counts.get(other.id)) return [];
    return [compared('platforms', other, first.id, counts.get(other.id)!, counts.get(first.id)!)];
  });
}

const PERIODS = 30;
const LEAST_PERIODS = 7;

async function againstUsual(
  deps: ServiceDeps,
  { run }: ScopedRun,
  flows: readonly Flow[],
  counts: ReadonlyMap<string, number>,
  minRatio: number,
): Promise<QualityRow[]> {
  const before = await runsBefore(deps.pool, run.cycle, run.period, PERIODS);
  const usual = await usualRows(
    deps.pool,
    before.map((entry) => entry.run),
  );
  return flows.flatMap((flow) => {
    const { median = 0, n = 0 } = usual.get(flow.id) ?? {};
    const rows = counts.get(flow.id)!;
    const off = median === 0 ? (rows === 0 ? 0 : Number.POSITIVE_INFINITY) : Math.abs(rows - median) / median;
    return n < LEAST_PERIODS || off <= minRatio
      ? []
      : [compared('usual', flow, `median of ${n}`, rows, median)];
  });
}

export const q35 = defineQuery({
  id: 'Q35',
  category: 'support',
  names: { en: 'Inspection metrics', zh: '巡检指标' },
  question: {
    en: 'How do the volumes and run times of interfaces and groups develop?',
    zh: '各接口、流程组的业务量与耗时趋势如何？',
  },
  rule: {
    en: 'The seven day periods up to the date against the seven before: rows, mean run time and failures, by group (by layer for flows without a group).',
    zh: '截至该日的 7 个日账期与之前 7 个账期比较：行数、平均耗时、失败次数，按流程组（无组按层次）。',
  },
  input: { ...DayInput },
  columns: {
    group: textColumn('group', '组'),
    flows: numberColumn('flows', '流程数'),
    runs: numberColumn('executions', '执行次数'),
    rows: numberColumn('rows', '行数'),
    rowsBefore: numberColumn('rows before', '上周行数'),
    rowsTrend: ratioColumn('trend', '行数趋势'),
    avgMin: numberColumn('mean minutes', '平均分钟'),
    avgMinBefore: numberColumn('before', '上周平均分钟'),
    timeTrend: ratioColumn('trend', '耗时趋势'),
    failures: numberColumn('failures', '失败次数'),
    failuresBefore: numberColumn('before', '上周失败次数'),
  },
  example: '',
  async answer(deps, { date }) {
    const scope = await scopeOfDay(deps, date);
    const run = scope.runs.find((run) => run.run.cycle === 'day');
    if (run === undefined) return { about: { date: scope.period }, rows: [] };
    const groupsOf = (flow: Flow): readonly string[] => (flow.groups.length > 0 ? flow.groups : [flow.layer]);
    const weeks = await Promise.all([0, 1].map((week) => effortIn(deps, scope.period, week)));
    const sums = weeks.map((efforts) => {
      const found = new Map<string, Sum>();
      for (const effort of efforts) {
        if (!run.index.has(effort.flow)) continue;
        for (const group of groupsOf(run.flow(effort.flow)))
          found.set(group, added(found.get(group) ?? NOTHING, effort));
      }
      return found;
    });
    const rows = [...sums[0]!].map(([group, now]) => {
      const before = sums[1]!.get(group) ?? NOTHING;
      const [avg, avgBefore] = [meanMs(now), meanMs(before)];
      return {
        group,
        flows: now.flows,
        runs: now.runs,
        rows: now.rows,
        rowsBefore: before.rows,
        rowsTrend: offset(now.rows, before.rows),
        avgMin: minutes(avg),
        avgMinBefore: minutes(avgBefore),
        timeTrend: offset(avg, avgBefore),
        failures: now.failures,
        failuresBefore: before.failures,
      };
    });
    return { about: { date: scope.period }, rows: rows.sort((a, b) => (a.group < b.group ? -1 : 1)) };
  },
});

interface Sum extends Omit<FlowEffort, 'flow'> {
  readonly flows: number;
}
const NOTHING: Sum = { flows: 0, runs: 0, ms: 0, rows: 0, failures: 0 };
const added = (sum: Sum, effort: FlowEffort): Sum => ({
  flows: sum.flows + 1,
  runs: sum.runs + effort.runs,
  ms: sum.ms + effort.ms,
  rows: sum.rows + effort.rows,
  failures: sum.failures + effort.failures,
});
const meanMs = ({ ms, runs }: Sum): number | null => (runs === 0 ? null : ms / runs);

/** The effort of the seven days up to `date` (`week` 0), or of the seven days before them (1). */
async function effortIn(deps: ServiceDeps, date: string, week: number): Promise<FlowEffort[]> {
  const after = shiftPeriod('day', date, 1 - 7 * week);
  const days = await runsBefore(deps.pool, 'day', after, 7);
  return effortOf(
    deps.pool,
    days.map(({ run }) => run),
  );
}

/** How the platforms stand as a whole: Q01, Q02. */
import type { State } from '../../../graph/run/status.ts';
import { doneBy, runsBefore } from '../../../store/schedules/scheduled-runs.ts';
import type { ServiceDeps } from '../../deps.ts';
import { clockOf } from '../clock.ts';
import { defineQuery, instantColumn, numberColumn, offset, ratioColumn, textColumn } from '../query.ts';
import {
  DayInput,
  FlowFilter,
  flowsOf,
  grouped,
  isComplete,
  PlatformFilter,
  type Scope,
  type ScopedFlow,
  scopeOfDate,
} from '../scope.ts';

export const q01 = defineQuery({
  id: 'Q01',
  category: 'system',
  names: { en: 'Platform overview', zh: 'yt,mpp总体运行情况' },
  question: {
    en: 'Is everything running, and how many flows are done today?',
    zh: '运行是否正常，今天完成了多少程序？',
  },
  rule: {
    en: 'One row for each platform over the day run and its hour runs; flows that no agent runs are counted under "-". Done means succeeded or force-passed. Reference: the average number done by this time of day over the previous 30 periods.',
    zh: '按平台统计当日及其各小时运行的流程；不由代理执行的流程列于“-”。完成指成功或强制通过。参考值为前 30 个账期同一时刻的平均完成数。',
  },
  input: { ...DayInput, ...PlatformFilter, group: FlowFilter.group },
  columns: {
    platform: textColumn('platform', '平台'),
    total: numberColumn('total', '总数'),
    succeeded: numberColumn('succeeded', '执行成功'),
    forced: numberColumn('passed', '强制通过'),
    running: numberColumn('running', '正在执行'),
    failed: numberColumn('failed', '失败'),
    waitingUpstream: numberColumn('waiting for upstream', '等待前置'),
    waitingAgent: numberColumn('waiting for an agent', '等代理'),
    notTriggered: numberColumn('not triggered', '未触发'),
    other: numberColumn('other', '其他'),
    lastCompletionAt: instantColumn('last completion', '最近完成'),
    referenceCount: numberColumn('reference', '参考完成数'),
    offsetRatio: ratioColumn('offset', '偏移比'),
  },
  example: '',
  async answer(deps, { date, ...filter }) {
    const scope = await scopeOfDate(deps, date);
    const flows = await flowsOf(deps, scope, filter);
    const usual = await usualCounts(deps, scope);
    const rows = [...grouped(flows, ({ flow }) => flow.platform ?? '-')].map(([platform, list]) => {
      const { done, ...counts } = countsOf(list);
      const referenceCount = usual(list);
      const offsetRatio = offset(done, referenceCount);
      return { platform, ...counts, lastCompletionAt: lastOf(list), referenceCount, offsetRatio };
    });
    return { about: { date: scope.period }, rows: rows.sort((a, b) => (a.platform < b.platform ? -1 : 1)) };
  },
});

export const q02 = defineQuery({
  id: 'Q02',
  category: 'system',
  names: { en: 'DWD programs by platform', zh: 'yt,mpp的DWD程序运行情况' },
  question: { en: 'How many base-layer programs are done?', zh: '基础层程序完成了多少？' },
  rule: {
    en: 'Layer DWD only, one row for each platform and hour of release (the batch; "-": not released yet).',
    zh: '仅 DWD 层，按平台与放行时刻所在小时（批次，“-”为未放行）统计。',
  },
  input: { ...DayInput, ...PlatformFilter, group: FlowFilter.group },
  columns: {
    platform: textColumn('platform', '平台'),
    batch: textColumn('batch', '批次'),
    dwdTotal: numberColumn('total', '总数'),
    dwdDone: numberColumn('done', '已完成'),
    dwdRunning: numberColumn('running', '正在执行'),
    dwdFailed: numberColumn('failed', '失败'),
    reference: numberColumn('reference', '参考完成数'),
  },
  example: '',
  async answer(deps, { date, ...filter }) {
    const scope = await scopeOfDate(deps, date);
    const flows = await flowsOf(deps, scope, { ...filter, layer: ['DWD'] });
    const usual = await usualCounts(deps, scope);
    const { hourOf } = await clockOf(deps);
    const batchOf = ({ row }: ScopedFlow): string => (row.releasedAt === null ? '-' : hourOf(row.releasedAt));
    const rows = [...grouped(flows, (flow) => `${flow.flow.platform ?? '-'} ${batchOf(flow)}`)].map(
      ([key, list]) => {
        const [platform, batch] = key.split(' ') as [string, string];
        const { total, done, running, failed } = countsOf(list);
        return {
          platform,
          batch,
          dwdTotal: total,
          dwdDone: done,
          dwdRunning: running,
          dwdFailed: failed,
          reference: usual(list),
        };
      },
    );
    const keyOf = ({ platform, batch }: { platform: string; batch: string }): string =>
      `${platform} ${batch}`;
    return { about: { date: scope.period }, rows: rows.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)) };
  },
});

const COUNTED = {
  succeeded: 'succeeded',
  force_passed: 'forced',
  running: 'running',
  failed: 'failed',
  waiting_upstream: 'waitingUpstream',
  waiting_agent: 'waitingAgent',
  sent_to_agent: 'waitingAgent',
  not_triggered: 'notTriggered',
} as const satisfies Partial<Record<State, string>>;

/** Numbers of flows, by the states that `COUNTED` distinguishes. */
function countsOf(list: readonly ScopedFlow[]) {
  const counts = {
    total: list.length,
    succeeded: 0,
    forced: 0,
    running: 0,
    failed: 0,
    waitingUpstream: 0,
    waitingAgent: 0,
    notTriggered: 0,
    other: 0,
  };
  for (const { row } of list)
    counts[row.state in COUNTED ? COUNTED[row.state as keyof typeof COUNTED] : 'other']++;
  return { ...counts, done: counts.succeeded + counts.forced };
}

/** The instant at which the last of the flows was done; null: none is done. */
function lastOf(list: readonly ScopedFlow[]): number | null {
  const ends = list.flatMap(({ row }) => (isComplete(row) ? [row.resultAt!] : []));
  return ends.length === 0 ? null : Math.max(...ends);
}

/** Number of earlier periods over which `usualCounts` averages. */
const PERIODS = 30;

/**
 * How many of some flows were usually done by this time of the period: the average over the runs of earlier periods, null when there are none.
 * A flow that an earlier run did not have counts as not done there.
 */
async function usualCounts(
  deps: ServiceDeps,
  { runs, now }: Scope,
): Promise<(list: readonly ScopedFlow[]) => number | null> {
  const { startOf } = await clockOf(deps);
  const usual = new Map<string, { n: number; done: ReadonlyMap<string, number> }>();
  for (const { run } of runs) {
    const { cycle, period } = run;
    const before = await runsBefore(deps.pool, cycle, period, PERIODS);
    const into = now - startOf(cycle, period);
    const past = before.map((entry) => ({ run: entry.run, at: startOf(cycle, entry.period) + into }));
    usual.set(run.id, { n: past.length, done: await doneBy(deps.pool, past) });
  }
  return (list) => {
    if (!runs.some(({ run }) => usual.get(run.id)!.n > 0)) return null;
    const sum = list.reduce((total, { run, flow }) => {
      const { n, done } = usual.get(run.run.id)!;
      return total + (n === 0 ? 0 : (done.get(flow.id) ?? 0) / n);
    }, 0);
    return Math.round(sum * 10) / 10;
  };
}

/** Distributions by target database: how many are done, waiting, exported by the hour: Q29. */
import type { Flow } from '../../../graph/model.ts';
import { doneBy, runsBefore } from '../../../store/schedules/scheduled-runs.ts';
import type { ServiceDeps } from '../../deps.ts';
import { type Clock, clockOf } from '../clock.ts';
import { defineQuery, listColumn, numberColumn, offset, ratioColumn, textColumn } from '../query.ts';
import {
  DayInput,
  flowsOf,
  grouped,
  isComplete,
  type Scope,
  type ScopedFlow,
  scopeOfDate,
} from '../scope.ts';

/** Time since the end of its export after which a distribution counts as waiting for its import, ms. */
const WAITING_MS = 10 * 60_000;
/** Number of earlier days over which the reference is averaged. */
const DAYS = 30;

export const q29 = defineQuery({
  id: 'Q29',
  category: 'support',
  names: { en: 'Distributions by target database', zh: '分发情况（按目标库）' },
  question: {
    en: 'How many distributions are done per target database, how many wait for their import, and how many were exported each hour?',
    zh: '各目标库完成多少分发，入库等待多少，每小时出库多少？',
  },
  rule: {
    en: "Imports of the day by the connection that they write. Five o'clock figures are what was done by 05:00 of the day after the period; the reference is the average of that over the 30 days before; import-waiting: the export is done and the import has not started for more than 10 minutes.",
    zh: '按入库目标连接统计当日分发。“5 点”为账期次日 05:00 前的累计完成数，参考值为前 30 天同一时刻的平均；入库等待：出库完成后 10 分钟以上未开始入库。',
  },
  input: { ...DayInput },
  columns: {
    targetDb: textColumn('target database', '库名'),
    total: numberColumn('total', '总数'),
    completed: numberColumn('completed', '完成数'),
    failed: numberColumn('failed', '失败'),
    completedByFive: numberColumn('by 5 o’clock', '5 点完成量'),
    referenceByFive: numberColumn('reference', '参考值'),
    offsetRatio: ratioColumn('offset', '偏移比'),
    importWaiting: numberColumn('import-waiting', '入库等待量'),
    exportsByHour: listColumn('exports by hour', '每小时出库量'),
  },
  example: '',
  async answer(deps, { date }) {
    const scope = await scopeOfDate(deps, date);
    const flows = await flowsOf(deps, scope, {});
    const imports = flows.filter(({ flow }) => flow.program?.type === 'import');
    const exports = new Map(
      flows.flatMap((flow) => (flow.flow.program?.type === 'export' ? [[keyOf(flow), flow] as const] : [])),
    );
    const isDay = scope.runs.some(({ run }) => run.cycle === 'day');
    const clock = await clockOf(deps);
    const five = isDay ? clock.clockTime(scope.period, 1, 5) : null;
    const usual = await usualByFive(deps, scope, clock);
    const rows = [...grouped(imports, ({ flow }) => targetOf(flow))].map(([targetDb, list]) => {
      const done = list.filter(({ row }) => isComplete(row));
      const completedByFive = five === null ? null : done.filter(({ row }) => row.resultAt! <= five).length;
      const referenceByFive = usual(list);
      return {
        targetDb,
        total: list.length,
        completed: done.length,
        failed: list.filter(({ row }) => row.state === 'failed').length,
        completedByFive,
        referenceByFive,
        offsetRatio: offset(completedByFive, referenceByFive),
        importWaiting: list.filter((item) => waits(item, exports.get(keyOf(item)), scope.now)).length,
        exportsByHour: byHour(
          list.flatMap((item) => exports.get(keyOf(item)) ?? []),
          clock,
        ),
      };
    });
    return { about: { date: scope.period }, rows: rows.sort((a, b) => (a.targetDb < b.targetDb ? -1 : 1)) };
  },
});

const keyOf = ({ run, flow }: ScopedFlow): string =>
  `${run.run.id} ${'distribution' in flow.program! ? flow.program.distribution : flow.id}`;

const targetOf = ({ program }: Flow): string => (program?.type === 'import' ? program.to.connection : '-');

/** Whether its export has been done for more than `WAITING_MS` and nobody has begun the import. */
function waits({ row }: ScopedFlow, half: ScopedFlow | undefined, now: number): boolean {
  if (row.result !== null || row.startedAt !== null || half === undefined || !isComplete(half.row))
    return false;
  return now - half.row.resultAt! > WAITING_MS;
}

/** `02:17`: 17 exports ended between 2 and 3 o'clock; hours without any are left out. */
function byHour(exports: readonly ScopedFlow[], { hourOf }: Clock): string[] {
  const hours = new Map<string, number>();
  for (const { row } of exports)
    if (isComplete(row)) hours.set(hourOf(row.resultAt!), (hours.get(hourOf(row.resultAt!)) ?? 0) + 1);
  return [...hours].sort(([a], [b]) => (a < b ? -1 : 1)).map(([hour, n]) => `${hour}:${n}`);
}

async function usualByFive(
  deps: ServiceDeps,
  { period, runs }: Scope,
  { clockTime }: Clock,
): Promise<(list: readonly ScopedFlow[]) => number | null> {
  if (!runs.some(({ run }) => run.cycle === 'day')) return () => null;
  const before = await runsBefore(deps.pool, 'day', period, DAYS);
  if (before.length === 0) return () => null;
  const done = await doneBy(
    deps.pool,
    before.map((entry) => ({ run: entry.run, at: clockTime(entry.period, 1, 5) })),
  );
  return (list) =>
    Math.round((list.reduce((sum, { flow }) => sum + (done.get(flow.id) ?? 0), 0) / before.length) * 10) / 10;
}

/**
 * Edges to periods that no schedule opens (protocol D10): flows wait there until a person opens the run or waives the edge. The check of a
 * catalogue looks at the next periods. Pure.
 */
import { isBefore } from '../calendar/beginning.ts';
import {
  countsOpenedPeriods,
  formatPeriod,
  mapPeriod,
  mappedCycle,
  nextPeriod,
  periodText,
  runId,
  shiftOf,
} from '../calendar/calendar.ts';
import type { Openers, Openings } from '../calendar/openings.ts';
import type { Cycle, EdgeSpec, Flow, PeriodMapping } from '../model.ts';
import type { Sentence } from '../text/sentence.ts';

export interface UnopenedEdge {
  readonly flow: Flow;
  readonly edge: EdgeSpec;
  readonly text: Sentence;
}

/** Number of periods that are looked at: a year and some weeks; six weeks for hours. */
const AHEAD: Record<Cycle, number> = { hour: 42 * 24, day: 400, month: 24 };

/** An example: the run of `from` waits for the run of `to`. `none`: no period that the edge can mean is opened. */
type Found = { readonly from: string; readonly to: string } | 'none' | null;

/**
 * Edges to an upstream whose schedules do not open the periods that the edge means; within a run, edges from flows that the schedules of their
 * procedures do not open. O(E), and the periods once for each kind of edge.
 */
export function edgesToUnopened(flows: readonly Flow[], openings: Openings, nowMs: number): UnopenedEdge[] {
  const byId = new Map(
    flows.map((flow) => [flow.id, { flow, by: openings.covering(flow.cycle, flow.procedure) }]),
  );
  const known = new Map<string, Found>();
  const list: UnopenedEdge[] = [];
  for (const { flow, by } of byId.values())
    for (const edge of flow.after) {
      const upstream = byId.get(edge.from);
      const inRun = edge.cycle === undefined && shiftOf(edge.period) === 0;
      if (upstream === undefined || (inRun ? by === null || upstream.by === by : upstream.by === null))
        continue;
      const asked = { flow, by, edge, inRun, upstream: upstream.flow, opened: upstream.by, openings, nowMs };
      const key = JSON.stringify([
        [flow.cycle, flow.period, flow.begins, by, inRun],
        [edge.cycle, edge.period, edge.calendar, upstream.flow.begins, upstream.by],
      ]);
      let found = known.get(key);
      if (found === undefined) {
        found = lookAhead(asked);
        known.set(key, found);
      }
      if (found !== null) list.push({ flow, edge, text: textOf(asked, found) });
    }
  return list;
}

interface Asked {
  readonly flow: Flow;
  readonly by: Openers | null;
  readonly edge: EdgeSpec;
  readonly inRun: boolean;
  readonly upstream: Flow;
  readonly opened: Openers | null;
  readonly openings: Openings;
  readonly nowMs: number;
}

function lookAhead({ flow, by, edge, inRun, upstream, opened, openings, nowMs }: Asked): Found {
  const { cycle } = flow;
  const target = upstream.cycle;
  const own = mappedCycle(flow.period, cycle);
  const among = !inRun && edge.calendar !== 'plain' && countsOpenedPeriods(edge.period);
  let any = false;
  let looked = false;
  let period = [formatPeriod(cycle, nowMs), flow.begins ?? ''].sort().at(-1)!;
  for (let left = AHEAD[cycle]; left > 0; left--, period = nextPeriod(cycle, period)) {
    if (by !== null && !openings.opens(by, cycle, period)) continue;
    looked = true;
    // No schedule of the cycle covers the flow, so none opens it.
    if (opened === null) return { from: period, to: period };
    const seen = inRun ? period : mapPeriod(flow.period, cycle, period)[0]!;
    if (among && shiftOf(edge.period) !== null) {
      const holder = mapPeriod('same', own, seen, target)[0]!;
      if (openings.shifted(opened, target, holder, -shiftOf(edge.period)!) === null) return 'none';
    } else if (among) {
      any ||= openings.map(opened, edge.period, { cycle: own, period: seen }, target).length > 0;
      if (any) return null;
    } else {
      const asked = inRun ? [period] : mapPeriod(edge.period, own, seen, target);
      const to = asked.find(
        (entry) => !isBefore(entry, upstream.begins) && !openings.opens(opened, target, entry),
      );
      if (to !== undefined) return { from: period, to };
    }
  }
  return among && shiftOf(edge.period) === null && looked ? 'none' : null;
}

function textOf({ flow, edge, inRun, upstream, opened }: Asked, found: Exclude<Found, null>): Sentence {
  const by = opened === null ? '' : opened.join(', ');
  if (found === 'none')
    return shiftOf(edge.period) === null
      ? {
          en: `${flow.id} waits for nothing of ${upstream.id}: ${by} opens no period for ${periodText(edge.period)}; correct its days or blackouts, or drop the edge`,
          zh: `${flow.id} 对 ${upstream.id} 的等待为空：计划 ${by} 未打开 ${periodText(edge.period)} 的任何账期；请修正其日期或维护窗口，或删除该依赖`,
        }
      : {
          en: `${by} opens no earlier period of ${upstream.id} within ten years: ${flow.id} waits for the period before, which nobody opens; correct its days or blackouts`,
          zh: `计划 ${by} 十年内未打开 ${upstream.id} 更早的账期：${flow.id} 将等待无人打开的上一账期；请修正其日期或维护窗口`,
        };
  const [run, other] = [runId(flow.cycle, found.from), runId(upstream.cycle, found.to)];
  if (inRun)
    return {
      en: `${flow.id} waits for ${upstream.id} in ${run}, which is opened without it; let a schedule open its procedure then, too, or drop the edge`,
      zh: `${run} 打开时不含 ${upstream.id}，${flow.id} 却在其中等待它；请让计划同时打开其规程，或删除该依赖`,
    };
  const { en, zh } = remedyOf(edge);
  return {
    en: `${flow.id} of ${run} waits for ${upstream.id} of ${other}, which no schedule opens (${by}); ${en}`,
    zh: `${run} 的 ${flow.id} 等待 ${other} 的 ${upstream.id}，但没有计划会打开它（${by}）；${zh}`,
  };
}

/** The finding that `calendar: plain` has no effect, because the edge counts every period anyway. */
export const needlessPlain = (period: PeriodMapping): Sentence => ({
  en: `calendar: plain means nothing here: ${periodText(period)} counts every period anyway`,
  zh: `此处 calendar: plain 无意义：${periodText(period)} 本来就按全部账期计算`,
});

function remedyOf({ period, calendar }: EdgeSpec): Sentence {
  const open = { en: 'let a schedule open it', zh: '请让某个计划打开它' };
  if (calendar === 'plain' && countsOpenedPeriods(period))
    return {
      en: `without 'calendar: plain' the edge counts the periods that are opened`,
      zh: `去掉 calendar: plain，则按会被打开的账期计算`,
    };
  if (period === 'lastDayOfMonth')
    return {
      en: `${open.en}, or wait for everyDayOfMonth: the days that are opened`,
      zh: `${open.zh}，或改用 everyDayOfMonth（会被打开的各日）`,
    };
  return {
    en: `${open.en}, or wait for an earlier period (previous): those count as they are opened`,
    zh: `${open.zh}，或改为等待更早的账期（previous，按会被打开的账期计算）`,
  };
}

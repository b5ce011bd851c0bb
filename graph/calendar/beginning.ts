/**
 * Since when the periods of a cycle exist (`cycles` of the catalogue, `begins` of a flow). What lies before was never run and never will be
 * by itself: no scheduled run is opened, and nobody waits for a flow in a period before it begins. Pure.
 */

import type { Cycle, CycleDefinition } from '../model.ts';
import type { Sentence } from '../text/sentence.ts';
import { comparePeriods } from './calendar.ts';

/** The first period of the cycle; null: all exist. Versions stored before this rule have no `cycles`. */
export function beginningOf(
  frame: { readonly cycles?: readonly CycleDefinition[] },
  cycle: Cycle,
): string | null {
  return frame.cycles?.find(({ id }) => id === cycle)?.begins ?? null;
}

export function isBefore(period: string, begins: string | null | undefined): boolean {
  return begins !== null && begins !== undefined && comparePeriods(period, begins) < 0;
}

export function beforeText(cycle: Cycle, begins: string): Sentence {
  return {
    en: `it lies before the beginning: the ${cycle} runs begin with ${begins}`,
    zh: `早于起始账期：${CYCLES[cycle]}运行自 ${begins} 开始`,
  };
}

const CYCLES: Record<Cycle, string> = { hour: '小时', day: '日', month: '月' };

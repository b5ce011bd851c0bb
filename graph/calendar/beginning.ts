/**
 * The first period of a cycle (`cycles` of the catalogue) and of a flow (`begins`). No scheduled run is opened for an earlier period, and no flow
 * waits for a flow in a period before its first one. Pure.
 */

import type { Cycle, CycleDefinition } from '../model.ts';
import type { Sentence } from '../text/sentence.ts';
import { comparePeriods } from './calendar.ts';

/** The first period of the cycle; null = every period exists. Versions from before this rule have no `cycles`. */
export function beginningOf(
  frame: { readonly cycles?: readonly CycleDefinition[] },
  cycle: Cycle,
): string | null {
  return frame.cycles?.find(({ id }) => id === cycle)?.begins ?? null;
}

/** Whether a period lies before the first one; never when every period exists. */
export function isBefore(period: string, begins: string | null | undefined): boolean {
  return begins !== null && begins !== undefined && comparePeriods(period, begins) < 0;
}

/** Why a period before the beginning has no run, as text. */
export function beforeText(cycle: Cycle, begins: string): Sentence {
  return {
    en: `it lies before the beginning: the ${cycle} runs begin with ${begins}`,
    zh: `早于起始账期：${CYCLES[cycle]}运行自 ${begins} 开始`,
  };
}

const CYCLES: Record<Cycle, string> = { hour: '小时', day: '日', month: '月' };

/**
 * confirm, reject, withdraw: a person's answer to a gate or to a check that is asked of people (protocol E2, D9).
 * graph/verbs/operate.ts has checked that the verb is allowed for the flow, and that the person has its role.
 */
import type { Machine } from '../run/machine.ts';
import { endOverrides, finish } from '../run/settle.ts';
import { FLAG } from '../run/state.ts';

/** The confirmation counts when the flow is released; `settle` then ends the flow, at once if it is released already. */
export function confirm(m: Machine, v: number): void {
  m.setFlags(v, FLAG.CONFIRMED);
}

/** The person says no: the flow fails now. */
export function reject(m: Machine, v: number, operation: string): void {
  endOverrides(m, v, { flags: FLAG.CONFIRMED }, operation);
  m.setFlags(v, 0, FLAG.CONFIRMED);
  finish(m, v, 'failed', false);
}

/** Takes a confirmation back that has not counted yet. */
export function withdraw(m: Machine, v: number): void {
  m.setFlags(v, 0, FLAG.CONFIRMED);
}

/** confirm, reject, withdraw: what a person says about a gate or a check of theirs (protocol E, D9). */
import type { Machine } from '../run/machine.ts';
import { endOverrides, finish } from '../run/settle.ts';
import { FLAG } from '../run/state.ts';

/** Counts when its turn comes; `settle` ends the flow then, at once if it is its turn already. */
export function confirm(m: Machine, v: number): void {
  m.setFlags(v, FLAG.CONFIRMED);
}

export function reject(m: Machine, v: number, operation: string): void {
  endOverrides(m, v, { flags: FLAG.CONFIRMED }, operation);
  m.setFlags(v, 0, FLAG.CONFIRMED);
  finish(m, v, 'failed', false);
}

export function withdraw(m: Machine, v: number): void {
  m.setFlags(v, 0, FLAG.CONFIRMED);
}

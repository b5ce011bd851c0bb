/** force-pass 强制通过: the result exists by other means. Downstream flows are freed now, and are tainted (protocol E2, C7). */
import type { Machine } from '../run/machine.ts';
import { dropPending, finish } from '../run/settle.ts';
import { FLAG } from '../run/state.ts';
import { isClaimed } from '../run/state-of.ts';

/**
 * Gives the flow the result `force_passed`. graph/verbs/operate.ts has checked that it is allowed. A claimed attempt is superseded: it is
 * stopped, and other flows do not wait for it.
 */
export function forcePass(m: Machine, v: number): void {
  const { s } = m;
  dropPending(m, v);
  if (isClaimed(s, v)) {
    // The wait for its end has no limit, so a back-off from before must not end it.
    m.set(v, { flags: s.flags[v]! | FLAG.ENDING, due: 0 });
    m.effect({ t: 'stop', v });
  }
  finish(m, v, 'force_passed', true);
}

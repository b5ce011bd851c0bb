/** force pass 强制通过: the result exists by other means; downstream flows are freed now, tainted (protocol E, C7). */
import type { Machine } from '../run/machine.ts';
import { dropPending, finish } from '../run/settle.ts';
import { FLAG } from '../run/state.ts';
import { isClaimed } from '../run/state-of.ts';

/** Allowed-ness was checked; whatever was sent or running is superseded: told to stop, never awaited by other flows. */
export function forcePass(m: Machine, v: number): void {
  const { s } = m;
  dropPending(m, v);
  if (isClaimed(s, v)) {
    // Until it reports its end; an old back-off must not end the wait.
    m.set(v, { flags: s.flags[v]! | FLAG.ENDING, due: 0 });
    m.effect({ t: 'stop', v });
  }
  finish(m, v, 'force_passed', true);
}

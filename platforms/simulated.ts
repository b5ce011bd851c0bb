/** The only stand-in for a platform, for tests of other parts: it ends attempts as a script says. */

import type { Ending, Task } from '../contract/agent.ts';
import { type Platform, stopReason } from './platform.ts';
import { interruptedEnding } from './sql/interruption.ts';

export interface SimulatedPlatform extends Platform {
  /** Tasks executed so far, in order. */
  readonly executed: readonly Task[];
}

/** What the script says of one attempt: an ending, or an ending after `afterMs`. `never`: only a stop ends it. */
export type Scripted = Ending | { readonly afterMs: number; readonly ending: Ending } | 'never';

/** `script` is called once for each attempt. When it returns undefined, the attempt succeeds. */
export function createSimulatedPlatform(
  script: (task: Task) => Scripted | undefined = () => undefined,
): SimulatedPlatform {
  const executed: Task[] = [];
  return {
    executed,
    async execute(task, { signal }) {
      executed.push(task);
      const said = script(task) ?? { outcome: 'succeeded' };
      if (said !== 'never' && 'outcome' in said) return said;
      return new Promise((resolve) => {
        const timer = said === 'never' ? undefined : setTimeout(() => resolve(said.ending), said.afterMs);
        const early = () => {
          clearTimeout(timer);
          resolve(interruptedEnding(stopReason(signal), task, false));
        };
        if (signal.aborted) early();
        else signal.addEventListener('abort', early, { once: true });
      });
    },
  };
}

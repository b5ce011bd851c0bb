/** The program that does nothing, for load and tests. It takes `ms`, and fails as long as the number of the attempt is at most `failTimes`. */

import type { Ending, Task } from '../contract/agent.ts';
import { type Platform, type SpecOf, stopReason } from './platform.ts';
import { interruptedEnding } from './sql/interruption.ts';

/** The ending of a noop that takes no time. It needs no timer and no promise. */
export function noopEnding(task: Task): Ending {
  const { failTimes } = task.spec as SpecOf<'noop'>;
  return task.lease.attempt <= failTimes
    ? {
        outcome: 'failed',
        kind: 'program',
        message: `attempt ${task.lease.attempt} of ${failTimes} fails on demand`,
      }
    : { outcome: 'succeeded' };
}

export function createNoopPlatform(): Platform {
  return {
    execute(task, { signal }) {
      return new Promise((resolve) => {
        const early = () => {
          clearTimeout(timer);
          resolve(interruptedEnding(stopReason(signal), task, false));
        };
        const { ms } = task.spec as SpecOf<'noop'>;
        const late = task.timeoutMs !== null && task.timeoutMs < ms;
        const timer = setTimeout(
          () => {
            signal.removeEventListener('abort', early);
            resolve(late ? interruptedEnding('timeout', task, false) : noopEnding(task));
          },
          late ? task.timeoutMs! : ms,
        );
        if (signal.aborted) early();
        else signal.addEventListener('abort', early, { once: true });
      });
    },
  };
}

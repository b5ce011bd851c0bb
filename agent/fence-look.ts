/** Looks at the fences of the agent's databases now and then, for `sluice doctor`; a heartbeat takes what was found, and waits for nothing. */
import type { FenceReports } from '../api/schemas/agent.ts';

/** How often it looks. */
const LOOK_MS = 600_000;

/** Answers what the last look found, once. Databases that cannot be asked now are asked the next time. */
export function fenceLook(read: (() => Promise<FenceReports>) | undefined): () => FenceReports | undefined {
  let lookedOn = Number.NEGATIVE_INFINITY;
  let found: FenceReports | undefined;
  return () => {
    const answer = found;
    found = undefined;
    if (read !== undefined && performance.now() - lookedOn >= LOOK_MS) {
      lookedOn = performance.now();
      read().then(
        (reports) => {
          found = reports;
        },
        () => {},
      );
    }
    return answer;
  };
}

/** Looks at the fences of the agent's databases now and then, for `sluice doctor`; a heartbeat takes what was found, and waits for nothing. */
import type { HeartbeatRequest } from '../contract/agent.ts';
import type { Fences, FencesFound } from '../platforms/sql/fence-report.ts';

/** How often it looks. */
const LOOK_MS = 600_000;

export interface FenceLook {
  /** Whose record the agent works for. An API of before does not say: it knows neither `fenceRuns` nor `reached` of heartbeats. */
  record: string | undefined;
  /** What the last look found, once. Databases that cannot be asked now are asked the next time. */
  found(): Pick<HeartbeatRequest, 'fences' | 'fenceRuns'>;
  /** Takes the rows away of runs that have left the record. */
  forget(runs: readonly string[]): void;
}

export function fenceLook(fences: Fences | undefined): FenceLook {
  let lookedOn = Number.NEGATIVE_INFINITY;
  let last: FencesFound | undefined;
  return {
    record: undefined,
    found() {
      const answer = last;
      last = undefined;
      if (fences !== undefined && performance.now() - lookedOn >= LOOK_MS) {
        lookedOn = performance.now();
        fences.look(this.record).then(
          (look) => {
            last = look;
          },
          () => {},
        );
      }
      if (answer === undefined) return {};
      const { reports, runs } = answer;
      return runs.length === 0 ? { fences: reports } : { fences: reports, fenceRuns: runs };
    },
    forget(runs) {
      // What cannot be taken away now is found again in the next round.
      if (runs.length > 0 && this.record !== undefined) fences?.forget(this.record, runs).catch(() => {});
    },
  };
}

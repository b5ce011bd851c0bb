/** Looks at the fences of the agent's databases at intervals, for `sluice doctor`. A heartbeat takes along what the last look found, without waiting. */
import type { HeartbeatRequest } from '../../contract/agent.ts';
import type { Fences, FencesFound } from '../../platforms/sql/fence-report.ts';

/** Interval of the looks, ms. */
const LOOK_MS = 600_000;

export interface FenceLook {
  /** The record that the agent works for. Undefined with an older API, which knows neither `fenceRuns` nor `reached` of heartbeats. */
  record: string | undefined;
  /** What the last look found; each finding is returned once. The next look asks a database that does not answer now. */
  found(): Pick<HeartbeatRequest, 'fences' | 'fenceRuns'>;
  /** Deletes the fence rows of runs that have left the record. */
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
      // A later look finds the rows that cannot be deleted now.
      if (runs.length > 0 && this.record !== undefined) fences?.forget(this.record, runs).catch(() => {});
    },
  };
}

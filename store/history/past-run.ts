/** A finished run, as store/history/past-runs.ts writes it into the record in one piece. */
import type { Cycle, Purpose } from '../../graph/model.ts';
import type { Result } from '../../graph/run/status.ts';

/** A flow of the run, as it ended. Instants are ms since 1970; 0 = there is none. */
export interface PastFlow {
  readonly flow: string;
  readonly runner: 'agent' | 'person' | 'engine';
  readonly generation: number;
  readonly attempt: number;
  readonly result: Result;
  readonly tainted: boolean;
  /** Number of failures of its program that were tried again. */
  readonly usedRetries: number;
  readonly startAt: number;
  readonly deadlineAt: number;
  readonly generationAt: number;
  readonly releasedAt: number;
  readonly resultAt: number;
}

export interface PastAttempt {
  readonly flow: string;
  readonly generation: number;
  readonly attempt: number;
  readonly agent: string;
  readonly sentAt: number;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly outcome: 'succeeded' | 'failed';
}

/** A generation that is not the last one of its flow. */
export interface EndedGeneration {
  readonly flow: string;
  readonly generation: number;
  readonly result: Result;
  readonly generationAt: number;
  readonly releasedAt: number;
  readonly resultAt: number;
  readonly endedAt: number;
  readonly operation: string;
}

export interface PastOperation {
  readonly id: string;
  readonly actor: string;
  readonly verb: 'force-pass' | 'confirm' | 'rerun';
  readonly flows: readonly string[];
  readonly reason: string;
  readonly at: number;
}

/** An edge from another run that was met, and when. */
export interface PastRelease {
  readonly flow: string;
  readonly upstreamRun: string;
  readonly upstreamFlow: string;
  readonly at: number;
  readonly tainted: boolean;
}

export interface PastRun {
  readonly cycle: Cycle;
  readonly period: string;
  readonly purpose: Purpose;
  readonly openedAt: number;
  readonly finishedAt: number;
  readonly flows: readonly PastFlow[];
  /** In the order in which they were sent. */
  readonly attempts: readonly PastAttempt[];
  readonly generations: readonly EndedGeneration[];
  readonly operations: readonly PastOperation[];
  readonly releases: readonly PastRelease[];
}

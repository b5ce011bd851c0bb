/** Names and messages of the workflows, shared by those who start, wake and ask them. No imports: anybody may read this file. */

export const RUN_WORKFLOW = 'run';

/** Contentless: 'your log may be ahead of you' (protocol A6). */
export const WAKE_SIGNAL = 'wake';
/** A person decided that a frozen run goes on from the record (protocol A9), or asks for a fresh look at it. */
export const RELOAD_SIGNAL = 'reload';

/**
 * Id of the workflow of a run: from the run's id, which is made of (cycle, period, purpose, number) (protocol A2), and the task queue,
 * so that two installations may share a Temporal namespace.
 */
export function runWorkflowId(taskQueue: string, run: string): string {
  return `${taskQueue}/${run}`;
}

/** What a schedule starts when it fires. */
export const OPEN_WORKFLOW = 'openScheduled';

export interface OpenInput {
  readonly schedule: string;
}

/** What the ids of an installation's schedules at Temporal begin with. Schedules with other ids belong to others and are left alone. */
export const schedulePrefix = (taskQueue: string): string => `${taskQueue}/schedule/`;

/**
 * Time after which the server gives a workflow task to another worker, because the worker that took it has not answered: 5 s. A task ends after
 * about a second (workflows/run.ts, TASK_MS); with 10 s operators waited longer for the runs of a dead worker (decision 0014).
 */
export const TASK_TIMEOUT = '5s';

/** The build of this code. The bundler replaces this text by the hash of the bundle's sources (worker/bundle.ts). */
export const BUILD: string = '@build-of-bundle';

export interface RunInput {
  readonly run: string;
  /** Number of the last exchange that an earlier execution of this workflow has seen (protocol A9); 0 = none. */
  readonly seen: number;
  /** How long a finished run stays parked before its workflow completes, ms (protocol A8). */
  readonly keepMs: number;
  /** Number of history events after which the run continues as new; 0 = when the server suggests it. For tests. */
  readonly continueAfterEvents: number;
  /** The build whose code makes this execution's history (decision 0009); missing in executions from before it was noted. */
  readonly build?: string;
}

/** What a coordinator says to the worker that executes it, also while it replays. */
export type CoordinatorSinks = {
  readonly coordinator: {
    /** This history was made by another build and cannot be gone on with (protocol A7, decision 0009). */
    otherBuild(input: RunInput): void;
  };
};

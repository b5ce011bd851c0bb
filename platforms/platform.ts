/**
 * What a platform is: something that carries out one attempt of a flow's program and says how it ended.
 * An agent hands it a task whose `started` was accepted (protocol C4) and a signal that says why to end early.
 */

import type { Ending, ProgramSpec, Task, Waiting } from '../contract/agent.ts';
import type { Parameters } from '../sql/statements.ts';
import type { LogSource } from './log-source.ts';

export type ProgramType = ProgramSpec['type'];
export type SpecOf<T extends ProgramType> = Extract<ProgramSpec, { type: T }>;

/**
 * Why an attempt is to end early, carried as `signal.reason`: a person or the engine asked (`cancel`), nothing was
 * heard of the API for `orphanMs` (`orphan`), or the agent leaves (`leave`).
 */
export type StopReason = 'cancel' | 'orphan' | 'leave';

export interface ExecuteContext {
  /** Aborted with a `StopReason`. */
  readonly signal: AbortSignal;
  /** Appends to the log of the attempt: text as UTF-8, bytes as they are. Whole lines are kind to readers, but not required. */
  readonly log: (said: string | Uint8Array) => void;
  /** Names the files that a program writes its output to: they are read from here on, also after its end. */
  readonly logFrom?: (source: LogSource) => void;
  /** What the program's output is written in; default utf-8. */
  readonly encoding?: string | undefined;
  /** Says what the program waits for outside the engine, once it is known; null: for nothing any more. */
  readonly waits?: (what: Waiting | null) => void;
  /** Says how far a program has come whose statements commit by themselves: all that is known of it should its agent be lost. */
  readonly reached?: (howFar: string) => void;
}

export interface Platform {
  /** Never rejects for a reason of the program or the platform: those are endings. */
  execute(task: Task, context: ExecuteContext): Promise<Ending>;
}

/** The reason of an aborted signal; anything unknown counts as `cancel`. */
export function stopReason(signal: AbortSignal): StopReason {
  const reason: unknown = signal.reason;
  return reason === 'orphan' || reason === 'leave' ? reason : 'cancel';
}

/** Every program knows its period, run and generation; what the catalogue gives under the same name wins. */
export function parametersOf(task: Task): Parameters {
  const { run, generation } = task.lease;
  return { period: task.period, run, generation, ...task.parameters };
}

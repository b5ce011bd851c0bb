/**
 * What a platform is: something that carries out one attempt of a flow's program and says how it ended.
 * An agent hands it a task whose `started` was accepted (protocol C4) and a signal that says why to end early.
 */

import type { Parameters } from '../sql/statements.ts';
import type { LogSource } from './log-source.ts';

/** One claim of one attempt of a flow (protocol C3). Epochs go by the clock, microseconds since 1970, and are never reused. */
export interface Lease {
  readonly run: string;
  readonly flow: string;
  readonly generation: number;
  readonly attempt: number;
  readonly epoch: number;
}

export interface CopySide {
  readonly connection: string;
  readonly table: string;
}

/** `Program` of the catalogue as the claim delivers it: resolved, with the text of the SQL file included. */
export type ProgramSpec =
  | {
      readonly type: 'sql';
      readonly sql: string;
      /** Name of a connection; default: the platform's own name. */
      readonly connection?: string | undefined;
      /** A check: the last statement answers one boolean; read-only and never fenced (protocol D9). */
      readonly check: boolean;
      /** `none`: it cannot stand in one transaction; each statement commits by itself. */
      readonly transaction?: 'none' | undefined;
    }
  | {
      readonly type: 'shell';
      readonly command: readonly string[];
      readonly env: Readonly<Record<string, string>>;
      /** What its output is written in; default: as the agent declares. */
      readonly encoding?: string | undefined;
    }
  | {
      readonly type: 'export';
      readonly distribution: string;
      readonly from: CopySide;
      readonly to: CopySide;
      readonly columns: readonly string[];
      readonly where?: string | undefined;
    }
  | {
      readonly type: 'import';
      readonly distribution: string;
      readonly to: CopySide;
      readonly columns: readonly string[];
      readonly periodColumn: string;
    }
  | { readonly type: 'noop'; readonly ms: number; readonly failTimes: number };

export type ProgramType = ProgramSpec['type'];
export type SpecOf<T extends ProgramType> = Extract<ProgramSpec, { type: T }>;

export interface Task {
  readonly lease: Lease;
  /** What people call the program; its key on the fence of before there were works. */
  readonly program: string;
  /** yyyyMM, yyyyMMdd or yyyyMMddHH. */
  readonly period: string;
  readonly spec: ProgramSpec;
  readonly parameters: Parameters;
  /** IANA name: what "today" is for the program. */
  readonly timeZone: string;
  /** From the first statement after the fence, or from the launch of the process; null = no limit. */
  readonly timeoutMs: number | null;
  /** How long the program may go on after the agent's last contact with the API (protocol C4, C5). */
  readonly orphanMs: number;
  readonly fenced: boolean;
  /** Set for a rehearsal: each connection that it uses -> the one of production that it stands for. Absent or empty otherwise. */
  readonly twins?: Readonly<Record<string, string>> | undefined;
  /** What a shell program leaves running at its own end goes on; absent: it is ended (protocol C5). */
  readonly leaves?: 'running' | undefined;
  /** Key of the work (protocol C6); null: the program has no fence. */
  readonly work: string | null;
  /** The work as people read it. */
  readonly workText: string;
  /** Further works that the attempt holds: those of its earlier attempts, before the run adopted another version. */
  readonly works: readonly string[];
  /** Whose record it is. */
  readonly record: string;
  /** Epochs of the record's attempts of the same run, flow and generation: what they committed is this attempt's own effect. */
  readonly own: readonly number[];
  /** Epochs of the record's attempts of the work whose backends may be at work still: only these are ended. */
  readonly unended: readonly number[];
}

/** A row of the fence that was in the way: whose effect stands there. */
export interface FenceRow {
  readonly epoch: number;
  readonly record: string;
  readonly run: string;
  readonly flow: string;
  readonly generation: number;
  /** When it was written, by the platform's clock: ISO 8601 with the offset of the session's zone, that of the program. null: unknown. */
  readonly at: string | null;
}

/** `infrastructure`: the platform or the way to it failed, not the program (protocol C4). */
export type FailureKind = 'program' | 'infrastructure' | 'timeout';

/** How an attempt ended. */
export type Ending =
  /** `already`: the fence knew these effects as done for this run and generation; nothing was executed (C6). */
  | {
      readonly outcome: 'succeeded';
      readonly rows?: number | undefined;
      readonly already?: boolean | undefined;
      /** The committed effect of another attempt that this one was executed over. */
      readonly over?: FenceRow | undefined;
    }
  /** A check that is not true yet (D9). */
  | { readonly outcome: 'false' }
  /** `effect`: whether effects were committed; null = cannot be known. `stale`: the fence has a larger epoch, that of `heldBy`. */
  | {
      readonly outcome: 'cancelled';
      readonly effect: boolean | null;
      readonly stale?: boolean | undefined;
      readonly heldBy?: FenceRow | undefined;
      readonly message?: string | undefined;
    }
  | {
      readonly outcome: 'failed';
      readonly kind: FailureKind;
      readonly message: string;
      readonly exitCode?: number | undefined;
    }
  /** The agent itself cannot tell how far an unfenced program got; treated like an expired lease (C4). */
  | { readonly outcome: 'lost'; readonly message: string };

/**
 * Why an attempt is to end early, carried as `signal.reason`: a person or the engine asked (`cancel`), nothing was
 * heard of the API for `orphanMs` (`orphan`), or the agent leaves (`leave`).
 */
export type StopReason = 'cancel' | 'orphan' | 'leave';

/** A code of `why`, and who is in the way. */
export interface Waiting {
  readonly code: 'fence_held_elsewhere' | 'processes_survive';
  readonly by: string;
}

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

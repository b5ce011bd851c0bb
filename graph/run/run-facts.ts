/**
 * What the answers (why, critical path) need of the record beside a run's state: instants, claims, people's decisions. Read in the
 * snapshot of the state by store/history/history.ts; everything here is plain data. Instants are the record's clock, integer ms; 0 = none.
 */
import type { Flow } from '../model.ts';
import type { AppliedPlan } from './applied-plan.ts';
import type { KeptRoom } from './room.ts';
import type { FailureKind } from './state.ts';

/** Instants of the flows of a run, by vertex (`run_flows`). */
export interface FlowInstants {
  /** Its present generation began. */
  readonly generationAt: Float64Array;
  /** The manual trigger, the event or start-now. */
  readonly triggeredAt: Float64Array;
  readonly releasedAt: Float64Array;
  readonly resultAt: Float64Array;
  readonly deadline: Float64Array;
}

/** A row of the outbox that nobody has claimed: what a claim must find free (protocol C9). */
export interface WaitingClaim {
  readonly releasedAt: number;
  readonly platform: string;
  readonly labels: readonly string[];
  readonly pools: readonly string[];
  readonly poolAmounts: readonly number[];
  readonly locks: readonly string[];
}

export interface OpenLease {
  readonly agent: string;
  readonly sentAt: number;
  readonly startedAt: number | null;
  /** What its program waits for outside the engine, as its agent says; absent: for nothing. */
  readonly waits?:
    | {
        readonly code?: 'fence_held_elsewhere' | 'processes_survive';
        readonly by: string;
        readonly since: number;
      }
    | undefined;
}

export interface AgentFacts {
  readonly name: string;
  readonly platform: string;
  /** With those of agents that failed over to it. */
  readonly labels: readonly string[];
  readonly slots: number;
  readonly used: number;
  readonly drained: boolean;
  /** Heard of within the lease time. */
  readonly live: boolean;
  readonly seenAt: number;
  /** The newest of what it has in hand was sent to it; 0 = it has nothing. */
  readonly takenAt: number;
}

export interface Pause {
  /** `platform:yt` or `run:month-2026-10`. */
  readonly scope: string;
  readonly from: number;
  /** null: in force. */
  readonly to: number | null;
  readonly actor: string;
  readonly reason: string;
}

/** A person's recorded decision about a flow. */
export interface Override {
  readonly kind: string;
  /** A waive names the upstream here, and its run when that is another one. */
  readonly from: string | null;
  readonly run?: string;
  readonly at: number;
  /** null: in force. */
  readonly endedAt: number | null;
  readonly actor: string;
  readonly reason: string;
}

/** Why the engine gave a generation up (`give_ups`): its budget for a kind of failure, or the patience of a check, is used up. */
export interface GaveUp {
  /** `false`: a check that did not become true. */
  readonly cause: FailureKind | 'false';
  /** Failures of the kind in a row, or ms that the check's questions took with the pauses between them. */
  readonly used: number;
  /** Retries of the kind, or `giveUpAfterMs`. */
  readonly allowed: number;
}

export interface LastAttempt {
  readonly endedAt: number;
  readonly agent: string;
  readonly outcome: string | null;
  readonly failure: FailureKind | null;
  readonly message: string | null;
  /** The engine gave its generation up after it. */
  readonly gaveUp?: GaveUp | null;
}

export interface LockHolder {
  readonly run: string;
  readonly flow: string;
  readonly agent: string;
  readonly since: number;
}

/** An open attempt of any run, with the room it takes. */
export interface RoomHolder {
  readonly run: string;
  readonly flow: string;
  readonly agent: string;
  readonly pools: readonly string[];
  readonly amounts: readonly number[];
  /** When it should end by what is usual; null = nothing is known of it, or it should have ended. */
  readonly until: number | null;
}

/** What `why` reads beside graph and state. */
export interface WhyFacts extends FlowInstants {
  readonly run: string;
  readonly openedAt: number;
  /** PostgreSQL's clock at the snapshot. */
  readonly now: number;
  readonly closedAt: number | null;
  readonly frozen: string | null;
  /** Log rows that the coordinator has not read yet, and when the first of them was written. */
  readonly unread: { readonly rows: number; readonly since: number };
  /** Undefined: it is not in the outbox, or claimed. */
  readonly claimOf: (v: number) => WaitingClaim | undefined;
  readonly leases: ReadonlyMap<number, OpenLease>;
  readonly agents: readonly AgentFacts[];
  readonly pools: ReadonlyMap<string, { readonly size: number; readonly used: number }>;
  readonly locks: ReadonlyMap<string, LockHolder>;
  /** For whom room is kept, of all runs, in the waiting order (protocol C10). */
  readonly kept: readonly KeptRoom[];
  /** Empty while nothing of the run waits for room. */
  readonly holders: readonly RoomHolder[];
  /** In force only; of the run and of platforms. */
  readonly pauses: readonly Pause[];
  /** In force only. */
  readonly overrides: ReadonlyMap<number, readonly Override[]>;
  /** Of flows that have no releasing result. */
  readonly lastAttempts: ReadonlyMap<number, LastAttempt>;
  /** The definition of a vertex, and the owner of a procedure. */
  readonly flowOf: (v: number) => Flow;
  /** What a running flow is measured by, ms: its average of the last week, else its median; null when it has no past. */
  readonly usualMs: (v: number) => number | null;
  readonly procedureOwner: (procedure: string) => string | null;
  /** When a flow is done on a usual day (graph/usual/reference-time.ts); 0 = not known. */
  readonly referenceAt: (v: number) => number;
  /** Load tables of its target platform that lack an interface (Q24); all others have none. */
  readonly missingTables: (v: number) => readonly string[];
  /** The work of a vertex as people read it; null: it has none. */
  readonly workText?: (v: number) => string | null;
}

/** A generation that was superseded (`flow_generations`). */
export interface PastGeneration {
  readonly generation: number;
  readonly begunAt: number;
  /** 0 = its turn never came, or was taken back. */
  readonly releasedAt: number;
  /** 0 = it had no result: it was superseded before. */
  readonly resultAt: number;
  /** Code of graph/run/status.ts. */
  readonly result: number;
  /** The next one began. */
  readonly endedAt: number;
}

export type AttemptOutcome = 'succeeded' | 'failed' | 'false' | 'cancelled' | 'lost' | 'requeued';

/** Every attempt ever sent, flow after flow, of each in order of time: those of `v` are `off[v] .. off[v + 1] - 1`. */
export interface AttemptColumns {
  readonly off: Int32Array;
  readonly generation: Int32Array;
  readonly attempt: Int32Array;
  /** When the coordinator offered it to agents; 0 = not known. */
  readonly releasedAt: Float64Array;
  readonly sentAt: Float64Array;
  /** 0 = not started, not ended. */
  readonly startedAt: Float64Array;
  readonly endedAt: Float64Array;
  readonly outcome: readonly (AttemptOutcome | null)[];
  readonly agent: readonly string[];
}

/** What the critical path reads beside graph and state. */
export interface PathFacts extends FlowInstants {
  readonly run: string;
  readonly openedAt: number;
  readonly now: number;
  /** Ascending; absent for a flow in its first generation. */
  readonly past: ReadonlyMap<number, readonly PastGeneration[]>;
  readonly attempts: AttemptColumns;
  /** When the run took in that the upstream of a subscription was done, last; 0 = it is not. */
  readonly metAt: Float64Array;
  /** All, ended ones too, in order of time. */
  readonly overrides: ReadonlyMap<number, readonly Override[]>;
  /** All of the run and of platforms; a closed run counts as paused. */
  readonly pauses: readonly Pause[];
  readonly plans: readonly AppliedPlan[];
  readonly contention: Contention;
  /** -1 when the run has no such flow. */
  readonly vertexOf: (flow: string) => number;
}

/** Who may wait for whom before an agent can take it (protocol C9); the same for all runs of one graph and period. */
export interface Contention {
  /** Lock keys and pools that an attempt of the flow takes. */
  readonly locksOf: (v: number) => readonly string[];
  readonly usesOf: (v: number) => readonly { readonly pool: string; readonly n: number }[];
  readonly poolSize: (pool: string) => number;
  /** Flows that take the lock, or use the pool. */
  readonly takersOf: (lock: string) => readonly number[];
  readonly usersOf: (pool: string) => readonly number[];
}

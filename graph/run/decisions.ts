/** What goes into `decide` and what comes out of it (protocol A3, A4, A5). Plain data: it is stored and sent as JSON. */

import type { FailureKind, PersonMoment } from './state.ts';
import type { State } from './status.ts';
import type { UpstreamChange } from './subscriptions.ts';

/** Log rows of the run after the cursor, in the order of `seq`. Flows are vertices; -1 = the graph of the run has no such flow. */
export type Entry = CompletionEntry | LostEntry | OperationEntry | ExternalEntry;

export interface CompletionEntry {
  readonly kind: 'completion';
  readonly seq: number;
  readonly at: number;
  readonly v: number;
  readonly generation: number;
  readonly attempt: number;
  /** `requeued`: a claim ended before its program was started, and the flow must not simply go back to the outbox (protocol C4). */
  readonly outcome: 'succeeded' | 'failed' | 'false' | 'cancelled' | 'requeued';
  readonly failure: FailureKind | null;
  /** How long the question took, ms, when the outcome is `false`. Absent in rows of older builds. */
  readonly tookMs?: number;
}

export interface LostEntry {
  readonly kind: 'lost';
  readonly seq: number;
  readonly at: number;
  readonly v: number;
  readonly generation: number;
  readonly attempt: number;
}

export interface OperationEntry {
  readonly kind: 'operation';
  readonly seq: number;
  readonly at: number;
  readonly operation: string;
  readonly actor: string;
  readonly roles: readonly string[];
  /** The second person who approved it (protocol B4). */
  readonly approvedBy: string | null;
  readonly request: OperationRequest;
}

export interface ExternalEntry {
  readonly kind: 'external';
  readonly seq: number;
  readonly at: number;
  readonly body: /** What became of upstreams in another run (protocol A11); `via`: runs through which news of a redo came, that run among them. */
    | {
        readonly type: 'upstream';
        readonly changes: readonly UpstreamChange[];
        readonly via: readonly string[];
      }
    /** An attempt that was given up as lost reported its end (`end`), or that it has left an effect (`effect`) (protocol C7). */
    | {
        readonly type: 'effect' | 'end';
        readonly v: number;
        readonly generation: number;
        readonly attempt: number;
      }
    /** A named event: triggers the flows that wait for it. */
    | { readonly type: 'event'; readonly event: string };
}

export type FlowVerb =
  | 'force-pass'
  | 'skip'
  | 'unskip'
  | 'start-now'
  | 'trigger'
  | 'hold'
  | 'unhold'
  | 'expedite'
  | 'cancel'
  | 'confirm'
  | 'reject'
  | 'withdraw'
  | 'resolve'
  | 'retire'
  | 'unretire';
export type EdgeVerb = 'waive' | 'unwaive';
export type RunVerb = 'pause' | 'resume' | 'close' | 'reopen';
export type Verb = FlowVerb | EdgeVerb | RunVerb | 'rerun';

/** `run`: of an upstream in another run, when `to` waits for it in several. */
export interface EdgeName {
  readonly from: string;
  readonly to: string;
  readonly run?: string;
}

export interface OperationRequest {
  readonly verb: Verb;
  readonly flows: readonly string[];
  readonly edges: readonly EdgeName[];
  readonly reason: string;
  readonly evidence: string | null;
  readonly partial: boolean;
  /** force-pass of something sent or running (protocol C7). */
  readonly supersede: boolean;
  /** cancel: the attempt ends although processes of its program are still alive. Absent in rows of older builds: no. */
  readonly forceEnd?: boolean;
  /** resolve. */
  readonly ran: boolean | null;
  /** rerun. */
  readonly plan: RerunPlan | null;
}

export interface RerunMember {
  readonly flow: string;
  readonly generation: number;
  /** Result code, 0 = none. */
  readonly result: number;
  readonly started: boolean;
}

export interface RerunPlan {
  readonly id: string;
  readonly graphVersion: string;
  readonly members: readonly RerunMember[];
  readonly roots: readonly string[];
  readonly running: 'supersede' | 'wait';
  readonly keepWaives: boolean;
  /** A rule's plan: where it waits for the end of a running member, a person may cancel or rerun that. Absent: no. */
  readonly yields?: true;
  /**
   * The plan is part of one over several runs. When it was logged, in all of them at once, nothing had changed in any of them, so no run
   * refuses its part. `awaits`: upstreams that are redone in the other runs; they count as not done until their new result is reported.
   */
  readonly agreed?: { readonly awaits: readonly { readonly from: string; readonly run: string }[] };
}

/** The stored row of a flow after a group, and the condition under which the group may be written. */
export interface FlowChange {
  readonly v: number;
  readonly generation: number;
  readonly attempt: number;
  readonly result: number;
  readonly flags: number;
  readonly due: number;
  readonly used: number;
  /** Absent = 0; only checks have another value. */
  readonly asked?: number;
  readonly phase: number;
  /** What the exchange does with the instant of the release: 1 = sets it to its clock, 0 = clears it, -1 = leaves it. */
  readonly released: -1 | 0 | 1;
  /** The group is written only while the flow's outbox row is: 0 = anything, 1 = not claimed, 2 = claimed. */
  readonly expect: 0 | 1 | 2;
}

export interface FlowOutcome {
  readonly flow: string;
  /** null = carried out; otherwise why it was refused. */
  readonly code: string | null;
  /** The state of the flow when the operation was decided. */
  readonly state: State | null;
  readonly detail?: string;
}

export interface OperationOutcome {
  readonly flows: readonly FlowOutcome[];
  /** Why the whole operation was refused; null = it was not. */
  readonly code: string | null;
  readonly detail: string | null;
}

export type Effect =
  | {
      readonly t: 'outcome';
      readonly operation: string;
      readonly state: 'applied' | 'refused' | 'approval_required';
      readonly outcome: OperationOutcome;
    }
  | {
      readonly t: 'override';
      readonly v: number;
      readonly kind: string;
      readonly from: string | null;
      /** The other run of the upstream of a waived edge. */
      readonly run?: string;
      readonly operation: string;
    }
  | {
      readonly t: 'end_override';
      readonly v: number;
      readonly kinds: readonly string[];
      readonly from: string | null;
      readonly run?: string;
      readonly operation: string | null;
    }
  | {
      readonly t: 'waive';
      readonly on: boolean;
      readonly edge: number;
      readonly list: 'edge' | 'invalid' | 'foreign';
    }
  | { readonly t: 'foreign'; readonly index: number; readonly met: 0 | 1 | 2 }
  /**
   * These flows have a newer generation, or another effect. In other runs, flows that used them or flows below them become stale (protocol A11, D6).
   */
  | { readonly t: 'redone'; readonly roots: readonly number[]; readonly via: readonly string[] }
  /** The generation that ends, with its result and flags. */
  | {
      readonly t: 'generation';
      readonly v: number;
      readonly generation: number;
      readonly result: number;
      readonly flags: number;
      readonly operation: string | null;
    }
  /** The generation failed for good: `used` of `allowed` failures of one kind in a row, or ms of a check whose answer was no. */
  | {
      readonly t: 'gave_up';
      readonly v: number;
      readonly generation: number;
      readonly attempt: number;
      readonly cause: FailureKind | 'false';
      readonly used: number;
      readonly allowed: number;
    }
  /** `force`: the attempt ends although processes of its program are still alive. */
  | { readonly t: 'stop'; readonly v: number; readonly force?: true }
  | { readonly t: 'triggered'; readonly v: number }
  | { readonly t: 'notice'; readonly v: number; readonly kind: NoticeKind; readonly recipient: string | null }
  /** `on`: every flow is done or retired; off: not any more. */
  | { readonly t: 'finished'; readonly on: boolean }
  | { readonly t: 'run'; readonly verb: RunVerb; readonly operation: string };

export type NoticeKind = 'notify' | PersonMoment['kind'] | 'outcome_unknown' | 'late_effect';

/** The decisions that follow from one log row, or from time that has passed (seq 0). Written completely or not at all. */
export interface Group {
  readonly seq: number;
  readonly changes: readonly FlowChange[];
  readonly effects: readonly Effect[];
}

/** The answer of the exchange (protocol A5). */
export interface ExchangeAnswer {
  /** Number of the exchange, and the record's clock. */
  readonly n: number;
  readonly now: number;
  /** How many groups were written. */
  readonly written: number;
  /** The stored decisions, which count, when this exchange had been stored with other ones before. */
  readonly adopted: readonly Group[] | null;
  readonly cursor: number;
  readonly entries: readonly Entry[];
  /** `[v, 1 sent | 2 started | 0 not claimed]`: all flows with an open lease when `allLeases`, else those that contradicted a decision. */
  readonly leases: readonly (readonly [number, 0 | 1 | 2])[];
  readonly allLeases: boolean;
  /** There are more log rows than this answer holds. */
  readonly more: boolean;
}

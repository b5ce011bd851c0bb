/** What goes into `decide` and what comes out of it (protocol A3, A4, A5). Plain data: it is stored and sent as JSON. */

import type { FailureKind, PersonMoment } from './state.ts';
import type { State } from './status.ts';
import type { UpstreamChange } from './subscriptions.ts';

/** Rows of the run's log after the cursor, in the order of `seq`; flows by vertex, -1 when the run's graph has no such flow. */
export type Entry = CompletionEntry | LostEntry | OperationEntry | ExternalEntry;

export interface CompletionEntry {
  readonly kind: 'completion';
  readonly seq: number;
  readonly at: number;
  readonly v: number;
  readonly generation: number;
  readonly attempt: number;
  /** `requeued`: a claim ended before its program was started, and the flow must not simply go back to the outbox (C4). */
  readonly outcome: 'succeeded' | 'failed' | 'false' | 'cancelled' | 'requeued';
  readonly failure: FailureKind | null;
  /** How long the question took, ms, when its answer is `false`. Absent in rows that were written before it was counted. */
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
  /** The second person of B4, when there was one. */
  readonly approvedBy: string | null;
  readonly request: OperationRequest;
}

export interface ExternalEntry {
  readonly kind: 'external';
  readonly seq: number;
  readonly at: number;
  readonly body: /** What became of upstreams in another run (A11); `via`: runs through which the news of a redo came, that one among them. */
    | {
        readonly type: 'upstream';
        readonly changes: readonly UpstreamChange[];
        readonly via: readonly string[];
      }
    /** An attempt that was lost told its end afterwards, and whether it has left an effect (C7). */
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
  /** force-pass of something sent or running (C7). */
  readonly supersede: boolean;
  /** cancel: the attempt ends although processes of its program live on; absent in rows of before: no. */
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
  /**
   * Part of a plan over several runs: that nothing had changed was verified in all of them when it was logged in all of them, so no run
   * refuses its part. `awaits` are upstreams that are redone in the other runs: until those tell of a new result they are not done.
   */
  readonly agreed?: { readonly awaits: readonly { readonly from: string; readonly run: string }[] };
}

/** The whole stored row of a flow after a group, with what it needs of the world. */
export interface FlowChange {
  readonly v: number;
  readonly generation: number;
  readonly attempt: number;
  readonly result: number;
  readonly flags: number;
  readonly due: number;
  readonly used: number;
  /** Absent: 0, as for all that are no checks. */
  readonly asked?: number;
  readonly phase: number;
  /** Instants the exchange stamps with its own clock: 1 = now, 0 = none, -1 = as it is. */
  readonly released: -1 | 0 | 1;
  /** What the flow's outbox row must be for this group to be written: 0 = anything, 1 = not claimed, 2 = claimed. */
  readonly expect: 0 | 1 | 2;
}

export interface FlowOutcome {
  readonly flow: string;
  /** null = done; otherwise why not. */
  readonly code: string | null;
  /** The state that the operation met. */
  readonly state: State | null;
  readonly detail?: string;
}

export interface OperationOutcome {
  readonly flows: readonly FlowOutcome[];
  /** When refused as a whole. */
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
      /** The other run that a waived edge comes from. */
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
  /** A newer generation, or another effect, of these flows: in other runs, flows that used them or what lies below them are stale (A11, D6). */
  | { readonly t: 'redone'; readonly roots: readonly number[]; readonly via: readonly string[] }
  /** The generation that ends, as it ended. */
  | {
      readonly t: 'generation';
      readonly v: number;
      readonly generation: number;
      readonly result: number;
      readonly flags: number;
      readonly operation: string | null;
    }
  /** It failed for good: `used` of `allowed` failures in a row of this kind, or ms of a check that answered `false`. */
  | {
      readonly t: 'gave_up';
      readonly v: number;
      readonly generation: number;
      readonly attempt: number;
      readonly cause: FailureKind | 'false';
      readonly used: number;
      readonly allowed: number;
    }
  /** `force`: the attempt ends although processes of its program live on. */
  | { readonly t: 'stop'; readonly v: number; readonly force?: true }
  | { readonly t: 'triggered'; readonly v: number }
  | { readonly t: 'notice'; readonly v: number; readonly kind: NoticeKind; readonly recipient: string | null }
  /** Every flow is done or retired, or no longer is. */
  | { readonly t: 'finished'; readonly on: boolean }
  | { readonly t: 'run'; readonly verb: RunVerb; readonly operation: string };

export type NoticeKind = 'notify' | PersonMoment['kind'] | 'outcome_unknown' | 'late_effect';

/** Decisions of one log row (or of timers: seq 0). Written whole or not at all. */
export interface Group {
  readonly seq: number;
  readonly changes: readonly FlowChange[];
  readonly effects: readonly Effect[];
}

/** What the exchange says back (A5). */
export interface ExchangeAnswer {
  /** Number of the exchange, and the record's clock. */
  readonly n: number;
  readonly now: number;
  /** How many groups were written. */
  readonly written: number;
  /** Set when exchange n had been stored already with other decisions: these are the ones that count. */
  readonly adopted: readonly Group[] | null;
  readonly cursor: number;
  readonly entries: readonly Entry[];
  /** Flows with an open lease: all of them when `allLeases`, else those that contradicted. [v, 1 sent | 2 started | 0 unclaimed] */
  readonly leases: readonly (readonly [number, 0 | 1 | 2])[];
  readonly allLeases: boolean;
  /** More log rows wait than were given. */
  readonly more: boolean;
}

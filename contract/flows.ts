/** Flows of a run: as a row of a list, and in detail. */
import { z } from 'zod';
import { FlowKind, Layer } from '../graph/model.ts';
import { EXPECTED_ORIGINS } from '../graph/usual/expected.ts';
import { REFERENCE_ORIGINS } from '../graph/usual/reference-time.ts';
import {
  BothNames,
  GivenId,
  type Infer,
  Instant,
  listOf,
  PageQuery,
  pageOf,
  StateName,
  text,
} from './fields.ts';

export const FlowParams = z.object({ run: GivenId, flow: GivenId });

/** What is shown beside the state (protocol D4). */
export const FlowFlag = z.enum([
  'held',
  /** The flow is skipped when its turn comes. */
  'skip',
  'expedite',
  /** A person has confirmed it; that counts when its turn comes. */
  'confirmed',
  'tainted',
  'stale',
  /** An attempt of it was told to end. */
  'stopping',
  /** An older attempt has not reported its end. */
  'ending',
  'rerun_pending',
  /** Member of a rerun plan that is not done again yet. */
  'rerun_member',
  /** start-now: unmet edges and start time are set aside. */
  'started_now',
  /** The run was opened for other procedures. */
  'excluded',
]);
export type FlowFlag = Infer<typeof FlowFlag>;

export const Flow = z.object({
  id: z.string(),
  names: BothNames,
  kind: FlowKind,
  runner: z.enum(['agent', 'person', 'engine']),
  layer: Layer,
  procedure: z.string().nullable(),
  step: z.int().nullable(),
  platform: z.string().nullable(),
  owner: z.string().nullable(),
  /** Key guarantee 重点保障. */
  key: z.boolean(),
  state: StateName,
  flags: z.array(FlowFlag),
  generation: z.int(),
  attempt: z.int(),
  /** When its turn came in this generation. */
  releasedAt: Instant.nullable(),
  /** The agent of the open attempt, and when the attempt was sent and started. */
  agent: z.string().nullable(),
  sentAt: Instant.nullable(),
  startedAt: Instant.nullable(),
  resultAt: Instant.nullable(),
  /** The earliest start and the deadline, as instants of this run. */
  startTime: Instant.nullable(),
  deadline: Instant.nullable(),
});
export type Flow = Infer<typeof Flow>;

export const FlowsQuery = z.strictObject({
  ...PageQuery,
  state: listOf(StateName).optional(),
  kind: listOf(FlowKind).optional(),
  layer: listOf(Layer).optional(),
  procedure: listOf(GivenId).optional(),
  platform: listOf(GivenId).optional(),
  flag: listOf(FlowFlag).optional(),
  /** A part of the id or of a name, in upper or lower case. */
  q: text(120).optional(),
});
export const FlowPage = pageOf(Flow);
export type FlowPage = Infer<typeof FlowPage>;

/** Why the flow may not start yet. `until`: the moment at which the blocker ends by itself, if there is one. */
export const Blocker = z.object({
  code: z.string(),
  from: z.string().optional(),
  until: Instant.optional(),
  members: z.array(z.string()).optional(),
  detail: z.string().optional(),
});

export const Attempt = z.object({
  /** Number of the attempt over all generations, from 1. The address of its log has this number. */
  n: z.int(),
  generation: z.int(),
  attempt: z.int(),
  epoch: z.int(),
  agent: z.string(),
  sentAt: Instant,
  startedAt: Instant.nullable(),
  endedAt: Instant.nullable(),
  /** null while it is open. */
  outcome: z.enum(['succeeded', 'failed', 'false', 'cancelled', 'lost', 'requeued']).nullable(),
  failure: z.enum(['program', 'infrastructure', 'timeout', 'lost']).nullable(),
  message: z.string().nullable(),
  exitCode: z.int().nullable(),
  rows: z.int().nullable(),
  /** Number of bytes that it wrote, kept or not; null: none, or its agent did not say it. */
  logBytes: z.int().nullable(),
  /** The encoding in which its output is read; null: utf-8, or the attempt has not ended. */
  encoding: z.string().nullable(),
  /** What the attempt reported when it no longer counted: it is kept, and nothing follows from it. */
  remark: z.unknown(),
  /**
   * Set on the last attempt of a generation that the engine has given up: `used` of `allowed` failures of the kind in a row, or for a check `used` of
   * `allowed` ms of questions and pauses.
   */
  gaveUp: z
    .object({
      cause: z.enum(['program', 'infrastructure', 'timeout', 'lost', 'false']),
      used: z.int(),
      allowed: z.int(),
      text: BothNames,
    })
    .nullable(),
});
export type Attempt = Infer<typeof Attempt>;

export const Override = z.object({
  kind: z.string(),
  /** For a waive: the upstream of the edge. */
  from: z.string().nullable(),
  generation: z.int(),
  actor: z.string(),
  reason: z.string(),
  evidence: z.string().nullable(),
  operation: z.string().nullable(),
  at: Instant,
  endedAt: Instant.nullable(),
  endedBy: z.string().nullable(),
});

export const Generation = z.object({
  generation: z.int(),
  result: z.string().nullable(),
  tainted: z.boolean(),
  stale: z.boolean(),
  from: Instant,
  releasedAt: Instant.nullable(),
  resultAt: Instant.nullable(),
  endedAt: Instant,
  operation: z.string().nullable(),
});

/** How long a flow runs, ms: percentiles, from how many runs (`n`; for origin `alike`: flows), and how they were found (`origin`). */
export const Expected = z.object({
  p10: z.int(),
  p50: z.int(),
  p90: z.int(),
  n: z.int(),
  origin: z.enum(EXPECTED_ORIGINS),
});

/** When a flow is usually done, and how that was found (`origin`). `n`: for what was learned, the number of periods. */
export const ReferenceTime = z.object({
  at: Instant,
  origin: z.enum(REFERENCE_ORIGINS),
  n: z.int().nullable(),
});

export const FlowDetail = z.object({
  ...Flow.shape,
  /** null: no agent runs it. */
  expected: Expected.nullable(),
  reference: ReferenceTime.nullable(),
  /** The flow has been running for more than an hour (`hour`), or for half as long again as usual (`usual`); null: neither. */
  overLong: z.enum(['hour', 'usual']).nullable(),
  run: z.string(),
  /** The period as its program gets it: 202610, 20261031. */
  period: z.string(),
  trigger: z.enum(['auto', 'manual', 'time', 'event']),
  /** Who confirms it, when a person does. */
  role: z.string().nullable(),
  groups: z.array(z.string()),
  reads: z.array(z.string()),
  writes: z.array(z.string()),
  note: z.string().nullable(),
  /** `running`: what its shell program has started goes on after the program's end; null: it is ended. */
  leaves: z.literal('running').nullable(),
  forcePassRequires: z.array(z.string()),
  /** Verbs that its state allows now. */
  verbs: z.array(z.string()),
  blockers: z.array(Blocker),
  upstream: z.array(
    z.object({
      flow: z.string(),
      /** Where the upstream is: in this `run`, in an `other_run`, in a run that will never be (`before_beginning`), or nowhere (`missing`). */
      kind: z.enum(['run', 'other_run', 'before_beginning', 'missing']),
      /** The other run. */
      run: z.string().optional(),
      /** With `before_beginning`: the first period that the upstream has. */
      begins: z.string().optional(),
      met: z.boolean(),
      waived: z.boolean(),
      loop: z.boolean(),
      state: StateName.nullable(),
    }),
  ),
  downstream: z.array(z.object({ flow: z.string(), state: StateName })),
  attempts: z.array(Attempt),
  generations: z.array(Generation),
  overrides: z.array(Override),
});
export type FlowDetail = Infer<typeof FlowDetail>;

export const AttemptParams = z.object({
  run: GivenId,
  flow: GivenId,
  n: z.coerce.number().int().min(1).max(1_000_000),
});
export const AttemptPage = pageOf(Attempt);
const Switch = z
  .enum(['', 'true', 'false', '1', '0'])
  .transform((value) => value !== 'false' && value !== '0')
  .optional();

export const LogQuery = z.strictObject({
  /** Go on until the attempt ends. */
  follow: Switch,
  /** The bytes as they were written, not as text. */
  raw: Switch,
  /** Number of the first byte to answer, counted over all that the attempt wrote. */
  from: z.coerce.number().int().min(0).optional(),
  /** Answer lines of JSON, each with its place in the log: a reader whose connection breaks goes on at `next` of the last line. */
  frames: Switch,
});

/** A line of the answer with `frames`: a text, or base64 with `raw`, or the number of bytes that were not kept or have not come. */
export const LogFrame = z.object({
  from: z.int(),
  next: z.int(),
  text: z.string().optional(),
  /** The encoding of the bytes from which `text` was made. */
  encoding: z.string().optional(),
  data: z.string().optional(),
  leftOut: z.int().optional(),
});
export type LogFrame = Infer<typeof LogFrame>;

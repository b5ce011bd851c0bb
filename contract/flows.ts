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
  /** Will be skipped when its turn comes. */
  'skip',
  'expedite',
  /** A person confirmed; counts when its turn comes. */
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
  /** Its turn came in this generation. */
  releasedAt: Instant.nullable(),
  /** Of the open attempt. */
  agent: z.string().nullable(),
  sentAt: Instant.nullable(),
  startedAt: Instant.nullable(),
  resultAt: Instant.nullable(),
  /** Earliest start, and when it is due; from the catalogue. */
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
  /** Part of the id or of a name, any case. */
  q: text(120).optional(),
});
export const FlowPage = pageOf(Flow);
export type FlowPage = Infer<typeof FlowPage>;

/** Why it may not start yet; `until` where a moment ends it by itself. */
export const Blocker = z.object({
  code: z.string(),
  from: z.string().optional(),
  until: Instant.optional(),
  members: z.array(z.string()).optional(),
  detail: z.string().optional(),
});

export const Attempt = z.object({
  /** Number over all generations, from 1: the one in the address of its log. */
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
  /** All bytes that it wrote, kept or not; null: nothing, or its agent did not say. */
  logBytes: z.int().nullable(),
  /** What its output is shown in where that is not utf-8. */
  encoding: z.string().nullable(),
  /** What an attempt that no longer counted said later: kept, never believed. */
  remark: z.unknown(),
  /**
   * Set on the last attempt of a generation that the engine gave up: `used` of `allowed` failures of the kind in a row, or ms that a check's
   * questions took with the pauses between them.
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
  /** A waive names the upstream here. */
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

/** How long it runs: percentiles, of how many runs (of `alike`: flows), and where that is from. ms. */
export const Expected = z.object({
  p10: z.int(),
  p50: z.int(),
  p90: z.int(),
  n: z.int(),
  origin: z.enum(EXPECTED_ORIGINS),
});

/** By when a flow is done usually, and where that is from; `n`: of what was learned, in how many periods. */
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
  /** Says that a running flow runs for more than an hour, or for half as long again as usual. */
  overLong: z.enum(['hour', 'usual']).nullable(),
  run: z.string(),
  /** As its program gets it: 202610, 20261031. */
  period: z.string(),
  trigger: z.enum(['auto', 'manual', 'time', 'event']),
  /** Who confirms it, when a person does. */
  role: z.string().nullable(),
  groups: z.array(z.string()),
  reads: z.array(z.string()),
  writes: z.array(z.string()),
  note: z.string().nullable(),
  /** `running`: what its shell program leaves running at its own end goes on; null: it is ended. */
  leaves: z.literal('running').nullable(),
  forcePassRequires: z.array(z.string()),
  /** Verbs that its state allows now. */
  verbs: z.array(z.string()),
  blockers: z.array(Blocker),
  upstream: z.array(
    z.object({
      flow: z.string(),
      /** `run`: of this run; `other_run`: of another one; `before_beginning`: of one that never will be; `missing`: it does not exist. */
      kind: z.enum(['run', 'other_run', 'before_beginning', 'missing']),
      /** The other run. */
      run: z.string().optional(),
      /** Before the beginning: the first period that the upstream has. */
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
  /** First byte that is wanted, of all that the attempt wrote. */
  from: z.coerce.number().int().min(0).optional(),
  /** One JSON object a line, each with its place: a reader whose connection breaks goes on at `next` of the last one. */
  frames: Switch,
});

/** A line of the answer with `frames`: text, or with `raw` base64, or the number of bytes that are not kept or have not come. */
export const LogFrame = z.object({
  from: z.int(),
  next: z.int(),
  text: z.string().optional(),
  /** Of the bytes that `text` was made of. */
  encoding: z.string().optional(),
  data: z.string().optional(),
  leftOut: z.int().optional(),
});
export type LogFrame = Infer<typeof LogFrame>;

/** Answers about a run: why a flow has not run, why the whole run is where it is, which way its time went (docs/answers.md). */
import { z } from 'zod';
import { DAY_CLASSES } from '../graph/calendar/day-class.ts';
import { Layer } from '../graph/model.ts';
import { PIECE_KINDS } from '../graph/timing/critical-path.ts';
import { PART_KINDS } from '../graph/timing/lateness.ts';
import { CAUSES, type CauseCode } from '../graph/why/causes.ts';
import { BothNames, GivenId, type Infer, Instant, listOf, PageQuery, StateName, text } from './fields.ts';
import { ReferenceTime } from './flows.ts';

export const Cause = z.object({
  /** The flow that is the cause; the first member of a loop; null when it is the whole run. It may not exist: then that is the cause. */
  flow: z.string().nullable(),
  /** The asked run, or another one that it waits for. */
  run: z.string(),
  code: z.enum(Object.keys(CAUSES) as [CauseCode, ...CauseCode[]]),
  names: BothNames.nullable(),
  state: StateName.nullable(),
  /** Key guarantee 重点保障. */
  key: z.boolean(),
  owner: z.string().nullable(),
  /** Since when it stands in the way. */
  since: Instant.nullable(),
  /** When it ends by itself, or should have (a gate's deadline). */
  until: Instant.nullable(),
  /** An actor, a role, an agent, a pool, the holder of a lock. */
  by: z.string().nullable(),
  /** What a person or a program said about it. */
  reason: z.string().nullable(),
  /**
   * Shortest way to the cause from the flow that was asked about, or from the nearest of several, both ends included; only the cause when all flows
   * were asked about without `chains`. A flow of another run is written `run/flow`.
   */
  chain: z.array(z.string()),
  /** Open flows of the asked run that wait for it, directly or through others. */
  blocks: z.int(),
  /** When the cause is a loop: the flows of a shortest way round it. */
  members: z.array(z.string()),
  /** What removes it: a verb with its command, a procedure of the operators' handbook, or both. */
  remedy: z.object({
    verb: z.string().nullable(),
    command: z.string().nullable(),
    /** Other verbs that would free what waits for it. */
    otherwise: z.array(z.string()),
    procedure: z.string().nullable(),
  }),
  /** One sentence. */
  text: BothNames,
});
export type Cause = Infer<typeof Cause>;

/** What blocks the flow that was asked about itself, in the eyes of the engine and of a claim. */
export const OwnBlocker = z.object({
  code: z.string(),
  from: z.string().optional(),
  until: Instant.optional(),
  members: z.array(z.string()).optional(),
  by: z.string().optional(),
});

export const WhyQuery = z.strictObject({ limit: z.coerce.number().int().min(1).max(1_000).default(100) });

export const WhyFlow = z.object({
  run: z.string(),
  flow: z.string(),
  names: BothNames.nullable(),
  /** null when there is no such flow, or no such run. */
  state: StateName.nullable(),
  /** The record's clock. */
  now: Instant,
  blockers: z.array(OwnBlocker),
  /** Final causes: key flows first, then the longest open, then the one that blocks most. */
  causes: z.array(Cause),
  causeCount: z.int(),
  /** What would still block flows on the chains when the final causes are gone. */
  next: z.array(Cause),
  nextCount: z.int(),
  /** Edges that count as met because the upstream begins later: the upstream, the run that will never be, the first period of the upstream. */
  beforeBeginning: z.array(z.object({ from: z.string(), run: z.string(), begins: z.string() })),
  /** Rules that will redo it or flows that are causes, or ask a person whether they may; `at`: when, as far as it is known. */
  rules: z.array(
    z.object({
      run: z.string(),
      flow: z.string(),
      rule: z.string(),
      act: z.string(),
      state: z.enum(['gathering', 'requested']),
      at: Instant.nullable(),
    }),
  ),
  /** Names that may have been meant, when there is no such flow. */
  near: z.array(z.string()),
  text: BothNames,
});
export type WhyFlow = Infer<typeof WhyFlow>;

export const WhyRunQuery = z.strictObject({
  ...PageQuery,
  /** Maximum number of final causes in the answer. */
  causes: z.coerce.number().int().min(0).max(1_000).default(100),
  /** Only these flows. Of several filters all must hold. */
  flows: listOf(GivenId).optional(),
  group: listOf(GivenId).optional(),
  layer: listOf(Layer).optional(),
  procedure: listOf(GivenId).optional(),
  /** Without a filter: each cause gets the chain from the nearest flow for which no other flow waits. */
  chains: z.stringbool().default(false),
});

/** One open flow: the number of its final causes, and the first of them in the order of `causes`. */
export const WhyLine = z.object({
  flow: z.string(),
  state: StateName,
  causes: z.int(),
  first: z.object({ flow: z.string().nullable(), code: z.string() }).nullable(),
});

export const WhyRun = z.object({
  run: z.string(),
  now: Instant,
  /** Flows asked about: those that the filters let through, or all. */
  asked: z.int(),
  /** Of these, flows that are neither done nor retired. */
  open: z.int(),
  causes: z.array(Cause),
  causeCount: z.int(),
  /** Open flows, upstream first; paged. */
  items: z.array(WhyLine),
  nextCursor: z.string().nullable(),
  text: BothNames,
});
export type WhyRun = Infer<typeof WhyRun>;

export const PathQuery = z.strictObject({
  /** Default: the flow that ended last; in a run in progress the last open one. */
  target: text(160).min(1).optional(),
});

export const Piece = z.object({
  flow: z.string(),
  names: BothNames,
  kind: z.enum(PIECE_KINDS),
  from: Instant,
  to: Instant,
  ms: z.int().min(1),
  generation: z.int(),
  /** Number of the attempt, for the kinds `run` and `failed_attempt`; null for others. */
  attempt: z.int().nullable(),
  agent: z.string().nullable(),
  /** Who decided, or what the flow waited for. */
  by: z.string().nullable(),
});

export const CriticalPath = z.object({
  run: z.string(),
  target: z.string(),
  openedAt: Instant,
  /** null: the target is not done, and `now` counts as its end. */
  endedAt: Instant.nullable(),
  now: Instant,
  /** In order of time, each begins where the one before ends. */
  pieces: z.array(Piece),
  /** Flows of the path, also those that took no time. */
  flows: z.array(z.string()),
  /** Milliseconds by kind. */
  kinds: z.partialRecord(z.enum(PIECE_KINDS), z.int()),
  /** Sum of the pieces: (endedAt or now) - openedAt. */
  total: z.int(),
  unattributed: z.int(),
});
export type CriticalPath = Infer<typeof CriticalPath>;

export const LatenessQuery = z.strictObject({
  ...PathQuery.shape,
  /**
   * What the run is compared with: the newest earlier run of the same class of day (`previous`: of any class), the one in the middle of the last 7
   * (`median`) or n (`median:30`), the run as it usually goes by reference times and durations (`reference`), or a run by its id.
   */
  against: z
    .union([z.enum(DAY_CLASSES), z.string().regex(/^median(:([1-9]|[1-9]\d|[1-3]\d\d))?$/), GivenId])
    .default('previous'),
});

export const Part = z.object({
  /** null: the part is the opening of the run. */
  flow: z.string().nullable(),
  names: BothNames.nullable(),
  kind: z.enum(PART_KINDS),
  /** Time today and in the reference, ms. `float` has only the reference's, so that its `ms` is negative. */
  today: z.int(),
  reference: z.int(),
  /** What it adds to the lateness: today minus reference. */
  ms: z.int(),
  /** With `float`: the upstream from which today's path comes; null = the opening. */
  upstream: z.string().nullable(),
});

export const Lateness = z.object({
  run: z.string(),
  target: z.string(),
  /** What it was compared with: a run, or with `against=reference` the reference time of the target. */
  reference: z.object({
    run: z.string().nullable(),
    period: z.string().nullable(),
    time: ReferenceTime.nullable(),
  }),
  /** null: the target is not done, and `now` counts as its end. */
  endedAt: Instant.nullable(),
  now: Instant,
  /** When the target would have been done with the times of the reference. */
  expectedAt: Instant,
  /** (endedAt or now) - expectedAt; negative = early, or not due yet. The sum of the parts, to the millisecond. */
  total: z.int(),
  /** In order of time along today's path. */
  parts: z.array(Part),
  /** The largest positive part; null when nothing is later. */
  mainCause: Part.nullable(),
  /** Flows of today's path from the opening on. */
  flows: z.array(z.string()),
  /** One sentence. */
  text: BothNames,
});
export type Lateness = Infer<typeof Lateness>;

export const AnswerParams = z.object({ run: GivenId, flow: GivenId });

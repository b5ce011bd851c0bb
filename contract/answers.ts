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
  /** null: the run as a whole. Of a loop the first member. An id that does not exist when that is the cause. */
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
   * Shortest way from the asked flow, or the nearest of several, to the cause, both ends included; the cause alone when all flows were
   * asked about without `chains`. Flows of other runs stand there as `run/flow`.
   */
  chain: z.array(z.string()),
  /** Open flows of the asked run that wait for it, directly or through others. */
  blocks: z.int(),
  /** The flows of a shortest way round, when the cause is a loop. */
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

/** What keeps the asked flow itself, as the engine and a claim see it. */
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
  /** What would still be in the way on the chains when the final causes are gone. */
  next: z.array(Cause),
  nextCount: z.int(),
  /** What the flow does not wait for because it lies before the beginning: upstream, the run that never will be, its first period. */
  beforeBeginning: z.array(z.object({ from: z.string(), run: z.string(), begins: z.string() })),
  /** Names that may have been meant, when there is no such flow. */
  near: z.array(z.string()),
  text: BothNames,
});
export type WhyFlow = Infer<typeof WhyFlow>;

export const WhyRunQuery = z.strictObject({
  ...PageQuery,
  /** Final causes in the answer. */
  causes: z.coerce.number().int().min(0).max(1_000).default(100),
  /** Only these flows; of several filters all must hold. */
  flows: listOf(GivenId).optional(),
  group: listOf(GivenId).optional(),
  layer: listOf(Layer).optional(),
  procedure: listOf(GivenId).optional(),
  /** Without a filter: causes with the chain from the nearest flow that nobody waits for. */
  chains: z.stringbool().default(false),
});

/** Of one open flow: its number of final causes and the first of them, as in `causes`. */
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
  /** Of `run` and `failed_attempt`. */
  attempt: z.int().nullable(),
  agent: z.string().nullable(),
  /** Who decided, what was waited for. */
  by: z.string().nullable(),
});

export const CriticalPath = z.object({
  run: z.string(),
  target: z.string(),
  openedAt: Instant,
  /** null: the target is not done; `now` is its end for the time being. */
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
   * The run to compare with: the newest earlier one of the same class of day (`previous`: of any), the middle one of the last n (`median`: 7,
   * `median:30`), the run as it should go by reference times and expected durations (`reference`), or a run by its id.
   */
  against: z
    .union([z.enum(DAY_CLASSES), z.string().regex(/^median(:([1-9]|[1-9]\d|[1-3]\d\d))?$/), GivenId])
    .default('previous'),
});

export const Part = z.object({
  /** null: of the run, its opening. */
  flow: z.string().nullable(),
  names: BothNames.nullable(),
  kind: z.enum(PART_KINDS),
  /** Time today and in the reference; of `float` the reference's, as a negative part. */
  today: z.int(),
  reference: z.int(),
  /** What it adds to the lateness: today minus reference. */
  ms: z.int(),
  /** Of `float`: the upstream that today's path came from; null = the opening. */
  upstream: z.string().nullable(),
});

export const Lateness = z.object({
  run: z.string(),
  target: z.string(),
  /** A run, or, of `against=reference`, the target's reference time. */
  reference: z.object({
    run: z.string().nullable(),
    period: z.string().nullable(),
    time: ReferenceTime.nullable(),
  }),
  /** null: not done; `now` counts as its end for the time being. */
  endedAt: Instant.nullable(),
  now: Instant,
  /** When it would have been done as in the reference. */
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

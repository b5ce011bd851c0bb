/**
 * The definitions of the catalogue: what a maintainer writes in YAML, and what the compiler makes of it. Types are inferred (protocol D1).
 * Workflow code takes only `import type` from this file: zod stays out of the workflow bundle.
 */
import { z } from 'zod';
import { DayOfCalendar, DayOrTime } from './calendar/written-day.ts';
import { Cycle, PeriodMapping, Purpose } from './cycle.ts';
import { Id, Ms, Names } from './model-fields.ts';
import { CopySide, Program } from './program-model.ts';
import { Rule } from './rule-model.ts';

export { Cycle, PeriodMapping, Purpose };

export const FlowKind = z.enum(['job', 'interface', 'distribution', 'gate', 'check', 'notify']);
export type FlowKind = z.infer<typeof FlowKind>;

export const Layer = z.enum(['ODS', 'DIM', 'DWD', 'DWA', 'DWA_THEME', 'APP', 'UNSPECIFIED']);
export type Layer = z.infer<typeof Layer>;

/** A period as written in the catalogue; YAML reads that of an hour, 2026112208, as a number. beginning-check.ts checks that its cycle has it. */
const WrittenPeriod = z.union([z.string(), z.int()]).transform(String);

/**
 * A moment seen from the period, in the calendar's zone (`+1 month, day 1, 23:59`, `+1 month, workday 3, 10:00`, `+1 day, 02:00`,
 * `+1 hour, 00:10`), or from the opening of the run (`open + 20 s`, units ms, s, min, h). Grammar and meaning: graph/calendar/moment.ts.
 */
export const Moment = z
  .string()
  .regex(
    /^(open \+ \d+ (ms|s|min|h)|\+\d+ (month|day|hour|workday)(, ((day|workday) (\d{1,2}|last)|last (day|workday)))?, \d{2}:\d{2}(:\d{2})?)$/,
    'a moment is written like "+1 month, day 1, 23:59", "+1 day, 02:00" or "open + 20 s"',
  );

/** `after: [A, { flow: B, period: previous }]`; an id alone means the same period. `cycle`: that of the other run that has the upstream (protocol A11). */
export const Edge = z.union([
  Id,
  z.strictObject({
    flow: Id,
    period: PeriodMapping.default('same'),
    cycle: Cycle.optional(),
    /** Count every period, also those that no schedule opens (protocol D10). */
    calendar: z.literal('plain').optional(),
  }),
]);

/** A typed parameter of a program, bound and never pasted into its text: a fixed value, or one taken from the period, the run or the generation. */
export const Parameter = z.union([
  z.strictObject({ value: z.union([z.string(), z.number(), z.boolean()]) }),
  z.strictObject({
    from: z.enum(['period', 'month', 'day', 'firstDay', 'lastDay', 'previousMonth', 'run', 'generation']),
  }),
]);
export type Parameter = z.infer<typeof Parameter>;

export { Id, Names, Program, Rule };

/** Retry budget for each kind of failure (protocol C4), and the pause before the next attempt. */
export const Retries = z.strictObject({
  program: z.int().min(0).max(20).default(0),
  infrastructure: z.int().min(0).max(20).default(3),
  timeout: z.int().min(0).max(20).default(0),
  lost: z.int().min(0).max(20).default(3),
  backoffMs: Ms.default(30_000),
});

/** Who confirms a gate or a person's check, and what happens while nobody does. */
export const Person = z.strictObject({
  role: Id,
  remindAt: z.array(Moment).default([]),
  escalateAt: Moment.optional(),
  escalateTo: Id.optional(),
});

/** Which feed an interface loads. Several flows may load the same feed, each by another node of the loading platform. */
export const InterfaceOf = z.strictObject({
  no: z
    .string('a number of an interface stands in quotes: "04113", its zeros count')
    .regex(/^[A-Za-z0-9_.-]{1,60}$/, 'a number of an interface is written like "04113"'),
  /** The node of the loading platform that carries out this load, such as `LOADYT`. */
  node: Id.optional(),
  /** What the feed carries, such as `cdr.basic` or `billing`. */
  family: Id.optional(),
  /** The database from which the feed comes. */
  source: Id.optional(),
});
export type InterfaceOf = z.infer<typeof InterfaceOf>;

/** What most flows leave out. All share these values: values of their own are 5 MB for 13,000 flows, and 10 % of a check. */
const NONE: never[] = [];
Object.freeze(NONE);
const USUAL_RETRIES = Object.freeze(Retries.parse({}));
const list = <T extends z.ZodType>(item: T) => z.array(item).default(() => NONE);

const flowFields = {
  id: Id,
  names: Names,
  cycle: Cycle,
  /** The flow's own period, seen from the period of its run (protocol D2). Only this changes the period in the parameters of its program. */
  period: PeriodMapping.default('same'),
  /** The first period that the flow has; in an earlier one nothing waits for it. Default: the first period of its cycle. */
  begins: WrittenPeriod.optional(),
  procedure: Id.optional(),
  step: z.int().min(0).optional(),
  owner: Id.optional(),
  layer: Layer.default('UNSPECIFIED'),
  groups: list(Id),
  key: z.boolean().default(false),
  platform: Id.optional(),
  businessLine: Id.optional(),
  trigger: z.enum(['auto', 'manual', 'time', 'event']).default('auto'),
  /** With trigger `event`: name of the external event that triggers the flow. */
  event: Id.optional(),
  startAt: Moment.optional(),
  deadline: Moment.optional(),
  /** Its reference time: when it is done on a usual day; if it is not, lists call it late from then on. Default: learned from its past. */
  referenceAt: Moment.optional(),
  /** How long it runs, for flows without a past. Default: learned from flows like it. */
  expectedMs: Ms.optional(),
  calendar: Id.optional(),
  after: list(Edge),
  retries: Retries.default(() => USUAL_RETRIES),
  timeoutMs: Ms.optional(),
  /** Time in ms without contact after which the reaper may end a lease (protocol C4). Default: 60,000. */
  leaseMs: Ms.optional(),
  /** Time in ms for which a program may go on after the last contact of its agent (protocol C4, C5). Default: 30 minutes. */
  orphanMs: Ms.optional(),
  idempotent: z.boolean().default(false),
  /** What its shell program leaves running at its own end goes on; default: it is ended (protocol C5). */
  leaves: z.literal('running').optional(),
  onRerun: z.enum(['keep', 'ask']).optional(),
  onTrigger: z.literal('downstream').optional(),
  forcePassRequires: list(Id),
  parameters: z.record(z.string().regex(/^[a-z][a-zA-Z0-9_]*$/), Parameter).default({}),
  uses: list(z.strictObject({ pool: Id, n: z.int().min(1).default(1) })),
  locks: list(Id),
  labels: list(Id),
  reads: list(z.string()),
  writes: list(z.string()),
  aliases: list(Id),
  sourceLevel: z.int().optional(),
  note: z.string().optional(),
};

/** A flow as written. Which of `program`, `person`, `notice` it needs follows from kind and is checked by graph/catalogue/build.ts. */
export const FlowDefinition = z.strictObject({
  ...flowFields,
  kind: z.enum(['job', 'interface', 'gate', 'check', 'notify']),
  program: Program.optional(),
  person: Person.optional(),
  notice: z.strictObject({ to: Id, en: z.string(), zh: z.string() }).optional(),
  interface: InterfaceOf.optional(),
  /** A check that an agent runs: the pause before it is asked again, and how long its questions and pauses may take together (protocol D9). */
  everyMs: Ms.optional(),
  giveUpAfterMs: Ms.optional(),
});
export type FlowDefinition = z.infer<typeof FlowDefinition>;

/** One entry that becomes two flows, `<id>.export` and `<id>.import` (protocol D3). An edge from `<id>` means one from `<id>.import`. */
export const DistributionDefinition = z.strictObject({
  ...flowFields,
  from: CopySide,
  to: CopySide,
  columns: z.array(z.string()).min(1),
  /** Column of the target that carries the period; rows of the period are replaced. */
  periodColumn: z.string(),
  where: z.string().optional(),
});
export type DistributionDefinition = z.infer<typeof DistributionDefinition>;

export const Calendar = z.strictObject({
  id: Id,
  timeZone: z.string().default('Asia/Shanghai'),
  weekend: z.array(z.int().min(1).max(7)).default([6, 7]),
  /** Single dates, or ranges with a name: `{ from: 2026-10-01, to: 2026-10-07, names: ... }`, both days included. */
  holidays: z
    .array(
      z.union([
        DayOfCalendar,
        z.strictObject({ from: DayOfCalendar, to: DayOfCalendar.optional(), names: Names }),
      ]),
    )
    .default([]),
  /** Make-up work days 调休: worked although weekend or holiday. */
  makeUpDays: z.array(DayOfCalendar).default([]),
  /**
   * Stretches of time in which schedules open no run; a `to` that is a day without a time includes the whole day. `afterwards`: whether what was
   * due is opened when the blackout is over, or not at all.
   */
  blackouts: z
    .array(
      z.strictObject({
        from: DayOrTime,
        to: DayOrTime,
        names: Names.optional(),
        afterwards: z.enum(['open', 'skip']).default('open'),
      }),
    )
    .default([]),
});

/**
 * A named connection: the engine knows its name and platform, agents keep the credentials (protocol C1). `rehearsal`: the connection that stands for it in
 * rehearsals; without one no rehearsal is opened that has flows which write here.
 */
export const Connection = z.strictObject({
  id: Id,
  platform: Id,
  names: Names.optional(),
  rehearsal: Id.optional(),
  /** The SQL that its database speaks. Default: `postgres`. With `other`, what PostgreSQL's parser finds wrong is only a warning. */
  dialect: z.enum(['postgres', 'other']).optional(),
});
export type Connection = z.infer<typeof Connection>;
export const Pool = z.strictObject({ id: Id, size: z.int().min(0).max(100_000) });
export const Procedure = z.strictObject({
  id: Id,
  names: Names,
  owner: Id,
  cycle: Cycle,
  note: z.string().optional(),
});
/** Days on which a schedule opens its run. A day that a month lacks (day 31, work day 23) means its last day, or its last work day. */
export const DayRule = z.union([
  z.enum(['everyDay', 'workDays', 'lastDay']),
  z.strictObject({ workDay: z.union([z.int().min(1).max(23), z.literal('last')]) }),
  z.strictObject({ dayOfMonth: z.int().min(1).max(31) }),
]);
export type DayRule = z.infer<typeof DayRule>;

/** Opens the scheduled run of a period by itself. Which day and which period: graph/calendar/schedule.ts. */
export const Schedule = z.strictObject({
  id: Id,
  names: Names.optional(),
  cycle: Cycle,
  /** Clock time in the zone of the calendar; for an hour schedule the minute of each hour, `00:10`. */
  at: z.string().regex(/^\d{2}:\d{2}$/),
  /** A month is opened on such a day; a day or an hour is opened when its own day is such a day. Default: day 1 for months, otherwise every day. */
  on: DayRule.optional(),
  /** Which period is opened: the one that has just ended, or the one in which the moment of opening lies. */
  period: z.enum(['previous', 'same']).default('previous'),
  calendar: Id.optional(),
  /** While an earlier scheduled run of the cycle is unfinished: open the run all the same, leave its period out, or wait. */
  overlap: z.enum(['allow', 'skip', 'wait']).default('allow'),
  /** A period whose moment was missed (everything was down) is opened later if it is no older than this; default 1, 7, 45 days by cycle. */
  catchUpMs: Ms.optional(),
  /** Only these procedures; the other flows stay not triggered. */
  procedures: z.array(Id).optional(),
  /** Whether it begins paused, until an operator resumes it. Later applies leave pauses as operators have set them. */
  paused: z.boolean().default(false),
});
export type Schedule = z.infer<typeof Schedule>;

/** The first period of a cycle: no scheduled run is opened for an earlier one, and nothing waits for an earlier one. */
export const CycleDefinition = z.strictObject({ id: Cycle, begins: WrittenPeriod });
export type CycleDefinition = z.infer<typeof CycleDefinition>;

/** A table of the loading platform. An interface of `platform` is loaded only if every such table of the platform lists it (Q24). */
export const LoadTable = z.strictObject({
  id: Id,
  platform: Id,
  interfaces: z.array(InterfaceOf.shape.no),
});
export type LoadTable = z.infer<typeof LoadTable>;

/** The whole catalogue, all files merged. */
export const Catalogue = z.strictObject({
  cycles: z.array(CycleDefinition).default([]),
  calendars: z.array(Calendar).default([]),
  connections: z.array(Connection).default([]),
  pools: z.array(Pool).default([]),
  procedures: z.array(Procedure).default([]),
  schedules: z.array(Schedule).default([]),
  loadTables: z.array(LoadTable).default([]),
  rules: z.array(Rule).default([]),
  flows: z.array(FlowDefinition).default([]),
  distributions: z.array(DistributionDefinition).default([]),
});
export type Catalogue = z.infer<typeof Catalogue>;

/** Who carries a flow out: an agent of its platform, a person, or the engine itself. */
export type Runner = 'agent' | 'person' | 'engine';

/** One edge after resolving distributions and defaults. `cycle` is set only when the upstream lives in a run of another cycle. */
export interface EdgeSpec {
  readonly from: string;
  readonly period: PeriodMapping;
  readonly cycle?: Cycle;
  /** Every period counts, also those that no schedule opens. */
  readonly calendar?: 'plain';
}

/** A flow after compilation: distributions split, defaults filled, runner known. What `catalogue_versions` stores and answers read. */
export interface Flow extends Omit<FlowDefinition, 'kind' | 'after'> {
  readonly kind: FlowKind;
  readonly runner: Runner;
  readonly after: readonly EdgeSpec[];
}

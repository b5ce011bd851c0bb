/** Rerun plans (protocol E3): what would be redone, looked at before it is applied. */
import { z } from 'zod';
import { EXPECTED_ORIGINS } from '../graph/usual/expected.ts';
import { GivenId, type Infer, Instant, StateName, text } from './fields.ts';

export const Scope = z.enum(['only', 'downstream', 'failed-downstream', 'selection']);

export const PlanRequest = z.strictObject({
  flows: z.array(GivenId).min(1).max(20_000),
  /** 重做后续 is `downstream`. */
  scope: Scope.default('downstream'),
  /** What becomes of members that run: end them, or let them end first. */
  running: z.enum(['supersede', 'wait']).default('wait'),
  /** Waived dependencies stay waived for the new generation. */
  keepWaives: z.boolean().default(false),
  /** With `downstream`: also what has started on the old results in other runs. */
  otherRuns: z.boolean().default(true),
});

export const PlanMember = z.object({
  flow: z.string(),
  names: z.object({ en: z.string(), zh: z.string() }),
  root: z.boolean(),
  state: StateName,
  generation: z.int(),
  /** false: it has not started, so it keeps its generation and only waits. */
  redone: z.boolean(),
  key: z.boolean(),
  /** Tables it writes: what is overwritten when it is redone. */
  writes: z.array(z.string()),
});

export const Plan = z.object({
  id: z.string(),
  run: z.string(),
  actor: z.string(),
  scope: Scope,
  running: z.enum(['supersede', 'wait']),
  keepWaives: z.boolean(),
  roots: z.array(z.string()),
  /** Upstream first. */
  members: z.array(PlanMember),
  /** What has started on the old results in other runs; redone with it, or nothing is. */
  otherRuns: z.array(
    z.object({
      run: z.string(),
      members: z.array(PlanMember),
      undecided: z.array(z.object({ flow: z.string(), code: z.string() })),
    }),
  ),
  /** Runs that wait for members and are left as they are; what started there becomes stale. */
  leftOut: z.array(z.object({ run: z.string(), code: z.enum(['rehearsal', 'run_closed', 'run_frozen']) })),
  /** Members that redo nothing because somebody must decide first; the plan is refused while there are any. */
  undecided: z.array(z.object({ flow: z.string(), code: z.string() })),
  /** Running members, and running flows elsewhere that hold the same program and period. */
  collisions: z.array(
    z.object({ flow: z.string(), run: z.string(), member: z.boolean(), since: Instant.nullable() }),
  ),
  /** Flows below that are no members but have started: they become stale. */
  becomeStale: z.array(z.string()),
  lapsingWaives: z.array(z.object({ from: z.string(), to: z.string(), reason: z.string() })),
  keyFlows: z.array(z.string()),
  /** Key flows at or below the roots with the shortest way: redone, waiting, or becoming stale; of each run the nearest 200. */
  keysHit: z.array(
    z.object({
      run: z.string(),
      flow: z.string(),
      way: z.array(z.string()),
      effect: z.enum(['redone', 'waits', 'stale']),
    }),
  ),
  /** Of members and of what waits for them; `endsAt` and `lateMs` by the estimate. */
  deadlines: z.array(
    z.object({
      run: z.string(),
      flow: z.string(),
      deadline: Instant,
      passed: z.boolean(),
      endsAt: Instant,
      lateMs: z.int(),
    }),
  ),
  /** If each flow takes its expected time and nobody waits for an agent, a pool or a person: a lower bound. */
  estimate: z.object({
    ms: z.int(),
    endsAt: Instant,
    /** The longest way through the plan. */
    path: z.array(z.object({ run: z.string(), flow: z.string(), ms: z.int() })),
    /** How many members' durations come from where. */
    origins: z.partialRecord(z.enum(EXPECTED_ORIGINS), z.int()),
    /** Members at which a person is asked; their time is not in it. */
    persons: z.array(z.object({ run: z.string(), flow: z.string() })),
  }),
  /** Tables that members which are redone write. */
  overwrites: z.array(
    z.object({
      run: z.string(),
      table: z.string(),
      connection: z.string().nullable(),
      flows: z.array(z.string()),
    }),
  ),
  /**
   * What has run below and need not run again: it reads nothing that is written again, by the tables that are declared and those of its SQL.
   * Members all the same, when the scope says so.
   */
  untouched: z.array(z.string()),
  /** Below and not started: these run anyway. */
  runAnyway: z.array(z.string()),
  hash: z.string(),
  createdAt: Instant,
  expiresAt: Instant,
  appliedBy: z.string().nullable(),
});
export type Plan = Infer<typeof Plan>;

export const PlanParams = z.object({ run: GivenId, plan: GivenId });
export const PlanApply = z.strictObject({ reason: text(2_000).default('') });

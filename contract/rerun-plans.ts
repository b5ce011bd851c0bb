/** Rerun plans (protocol E3): people see what would be redone before they apply it. */
import { z } from 'zod';
import { EXPECTED_ORIGINS } from '../graph/usual/expected.ts';
import { GivenId, type Infer, Instant, StateName, text } from './fields.ts';

export const Scope = z.enum(['only', 'downstream', 'failed-downstream', 'selection']);

export const PlanRequest = z.strictObject({
  flows: z.array(GivenId).min(1).max(20_000),
  /** Default: `downstream` (重做后续). */
  scope: Scope.default('downstream'),
  /** Members that run are superseded, or they end first (`wait`). */
  running: z.enum(['supersede', 'wait']).default('wait'),
  /** Waived edges stay waived for the new generation. */
  keepWaives: z.boolean().default(false),
  /** With `downstream`: flows of other runs that have started on the old results are members, too. */
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
  /** Tables that it writes, and overwrites when it is redone. */
  writes: z.array(z.string()),
});

export const Plan = z.object({
  id: z.string(),
  run: z.string(),
  actor: z.string(),
  /** `stale`: what has used older data than there is, as a correction says; people ask for the others. */
  scope: z.enum([...Scope.options, 'stale']),
  running: z.enum(['supersede', 'wait']),
  keepWaives: z.boolean(),
  /** The correction of a table that the plan carries downstream; null: somebody named the flows. */
  correction: z.string().nullable(),
  roots: z.array(z.string()),
  /** Upstream first. */
  members: z.array(PlanMember),
  /** Members in other runs: flows that have started on the old results. The plan is applied in all of its runs or in none. */
  otherRuns: z.array(
    z.object({
      run: z.string(),
      members: z.array(PlanMember),
      undecided: z.array(z.object({ flow: z.string(), code: z.string() })),
    }),
  ),
  /** Runs that wait for members and stay as they are; flows that have started there become stale. */
  leftOut: z.array(z.object({ run: z.string(), code: z.enum(['rehearsal', 'run_closed', 'run_frozen']) })),
  /** Members about which a person must decide first, with the reason; the plan is refused while there are any. */
  undecided: z.array(z.object({ flow: z.string(), code: z.string() })),
  /** Members that run, and other flows that hold a lock which a member needs: a name, or its work. */
  collisions: z.array(
    z.object({ flow: z.string(), run: z.string(), member: z.boolean(), since: Instant.nullable() }),
  ),
  /** Flows below that are no members but have started: they keep their results and become stale, as they have used what is redone. */
  becomeStale: z.array(z.string()),
  lapsingWaives: z.array(z.object({ from: z.string(), to: z.string(), reason: z.string() })),
  keyFlows: z.array(z.string()),
  /** Key flows at or below the roots, the nearest 200 of each run: the shortest way to each, and what happens to it. */
  keysHit: z.array(
    z.object({
      run: z.string(),
      flow: z.string(),
      way: z.array(z.string()),
      effect: z.enum(['redone', 'waits', 'stale']),
    }),
  ),
  /** Deadlines of members and of flows that wait for them; `endsAt` and `lateMs` (0: in time) by the estimate. `passed`: it is over already. */
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
  /** How long it takes at least: each flow takes its expected time, and none waits for an agent, a pool or a person. */
  estimate: z.object({
    ms: z.int(),
    endsAt: Instant,
    /** The longest way through the plan. */
    path: z.array(z.object({ run: z.string(), flow: z.string(), ms: z.int() })),
    /** Numbers of members, by how their expected time was found. */
    origins: z.partialRecord(z.enum(EXPECTED_ORIGINS), z.int()),
    /** Members that wait for a person. The estimate does not contain that time. */
    persons: z.array(z.object({ run: z.string(), flow: z.string() })),
  }),
  /** Tables that are written again. */
  overwrites: z.array(
    z.object({
      run: z.string(),
      table: z.string(),
      connection: z.string().nullable(),
      flows: z.array(z.string()),
    }),
  ),
  /**
   * Flows below that have run and need not run again: they read no table that is written again, as far as declarations and SQL texts tell. When the
   * scope contains them they are members all the same.
   */
  untouched: z.array(z.string()),
  /** Flows below that have not started: they run in any case. */
  runAnyway: z.array(z.string()),
  hash: z.string(),
  createdAt: Instant,
  expiresAt: Instant,
  appliedBy: z.string().nullable(),
});
export type Plan = Infer<typeof Plan>;

export const PlanParams = z.object({ run: GivenId, plan: GivenId });
export const PlanApply = z.strictObject({ reason: text(2_000).default('') });

/** The retirement sheet of a flow (Q36): what there is to know before it is retired. */
import { z } from 'zod';
import { Cycle, FlowKind, Layer, PeriodMapping } from '../graph/model.ts';
import { BothNames, GivenId, type Infer, Instant, StateName } from './fields.ts';
import { Impact } from './impact.ts';

export const RetirementParams = z.object({ flow: GivenId });

const Side = z.object({ connection: z.string(), table: z.string() });

export const Retirement = z.object({
  flow: z.string(),
  /** The newest version of the catalogue. */
  version: z.int(),
  names: BothNames,
  kind: FlowKind,
  cycle: Cycle,
  layer: Layer,
  procedure: z.string().nullable(),
  owner: z.string().nullable(),
  platform: z.string().nullable(),
  key: z.boolean(),
  groups: z.array(z.string()),
  aliases: z.array(z.string()),
  note: z.string().nullable(),
  /** `what` is the file of an SQL program, the command of a shell, the distribution of a copy. */
  program: z
    .object({ type: z.string(), what: z.string().nullable(), connections: z.array(z.string()) })
    .nullable(),
  /** Tables as the catalogue declares them, with the other flows that write or read them. */
  reads: z.array(z.object({ table: z.string(), writtenBy: z.array(z.string()) })),
  writes: z.array(z.object({ table: z.string(), readBy: z.array(z.string()) })),
  /** Distributions of which it is a half (`itself`), or that copy what it writes. */
  distributions: z.array(z.object({ distribution: z.string(), from: Side, to: Side, itself: z.boolean() })),
  upstream: z.array(z.object({ flow: z.string(), cycle: Cycle, period: PeriodMapping, exists: z.boolean() })),
  /** Number of flows above it, in all cycles. */
  above: z.int(),
  /** Flows that wait for it over an edge. When it is retired, they wait for ever. */
  dependents: z.array(
    z.object({
      flow: z.string(),
      names: BothNames,
      cycle: Cycle,
      period: PeriodMapping,
      procedure: z.string().nullable(),
      owner: z.string().nullable(),
      key: z.boolean(),
    }),
  ),
  /** Flows that can be force-passed only when it is done. */
  requiredBy: z.array(z.string()),
  /** Everything below it. */
  impact: Impact,
  /** Schedules that open runs with it. */
  schedules: z.array(z.string()),
  lastRun: z
    .object({
      run: z.string(),
      outcome: z.string(),
      agent: z.string(),
      startedAt: Instant.nullable(),
      endedAt: Instant,
      /** null: it ended without having started. */
      ms: z.int().nullable(),
      rows: z.int().nullable(),
    })
    .nullable(),
  /** Open runs that hold it: whether `retire` is possible there now, and who would be blocked by `dependency_invalid`. */
  openRuns: z.array(
    z.object({
      run: z.string(),
      state: StateName,
      retirable: z.boolean(),
      blocks: z.array(z.object({ run: z.string(), flow: z.string() })),
    }),
  ),
  /** The states in which `retire` is possible. */
  retirableIn: z.array(StateName),
  /** No flow waits for it or requires it, no agent has it, and no flow of an open run would be blocked. */
  clear: z.boolean(),
});
export type Retirement = Infer<typeof Retirement>;

/** What services work with; api/connect.ts and tests construct it. */
import type pg from 'pg';
import type { CatalogueVersion } from '../store/catalogue/catalogue.ts';
import type { ContextReader } from '../store/record/run-context.ts';
import type { RetentionPolicy } from '../store/retention/retention.ts';
import type { AgentCalls } from './agents/agent-calls.ts';
import type { EstateLineages } from './lineage/estate-lineage.ts';
import type { LogStore } from './log-store.ts';
import type { Notifications } from './notifications.ts';
import type { OpeningsUnderWay } from './operations/openings-under-way.ts';
import type { OperationLanes } from './operations/operation-lanes.ts';
import type { ProgramReader } from './programs/program-reader.ts';

export interface ServiceDeps {
  readonly pool: pg.Pool;
  /** For COPY, which the pipelined connections of `pool` cannot do. */
  readonly copyPool: pg.Pool;
  readonly versionOf: (version: number) => Promise<CatalogueVersion>;
  readonly contextOf: ContextReader;
  readonly notifications: Notifications;
  readonly logs: LogStore;
  readonly agentCalls: AgentCalls;
  /** Reads SQL programs in a thread of its own: check, apply and lineage read the same texts. */
  readonly programs: ProgramReader;
  readonly lineages: EstateLineages;
  /** Openings of runs that this API has begun, so that a repeated request joins the first. */
  readonly openings: OpeningsUnderWay;
  /** Gathers the operations of each run into one transaction. */
  readonly lanes: OperationLanes;
  /** Grace after the orphan time of a lost attempt, ms (protocol C4): dry runs compute with it. */
  readonly graceMs: number;
  readonly planTtlMs: number;
  /** How long a verb waits for its outcome before it answers 202 (protocol B2), ms. */
  readonly operationWaitMs: number;
  /** An agent is shown as gone after this time without a call, ms. */
  readonly leaseMs: number;
  readonly retention: RetentionPolicy;
  /** Asks the coordinator of a frozen run to go on from the record (protocol A9). */
  readonly reload: (run: string) => Promise<void>;
  readonly logLevel: string;
}

/** Agents and platforms as people see and steer them. */
import { z } from 'zod';
import { GivenId, Instant, text } from './fields.ts';

export const Agent = z.object({
  name: z.string(),
  platform: z.string(),
  labels: z.array(z.string()),
  slots: z.int(),
  /** Number of slots in use: its open leases. */
  used: z.int(),
  /** Heard of within the lease time. */
  alive: z.boolean(),
  /** No new claims; what runs goes on. */
  drained: z.boolean(),
  failoverTo: z.string().nullable(),
  version: z.string(),
  /** What is wrong with its machine, in its own words; '' = nothing. */
  trouble: z.string(),
  /** How it keeps the processes of its shell programs together: cgroup, namespace, marks, group; null: it did not say. */
  containment: z.string().nullable(),
  helloAt: Instant,
  /** 0: it has left on purpose. */
  seenAt: Instant,
  /**
   * Fences of its databases when it last looked: for each database and record the number of works and their newest epoch. `own`: the record is this
   * one. `known`: this record has the attempt of that epoch, or may have archived it. Any other record is another installation's, or was lost.
   */
  fences: z.array(
    z.object({
      connection: z.string(),
      record: z.string(),
      works: z.int(),
      newest: z.int(),
      own: z.boolean(),
      known: z.boolean(),
    }),
  ),
});
export const AgentList = z.object({ items: z.array(Agent) });
export const AgentParams = z.object({ agent: GivenId });
export const PlatformParams = z.object({ platform: GivenId });

export const Steer = z.strictObject({ reason: text(2_000).default('') });
export const Failover = z.strictObject({
  to: GivenId,
  reason: text(2_000).default(''),
  /** The agent's programs are known to have ended: what it holds moves at once, not after lease and grace. */
  fenced: z.boolean().default(false),
});
export const FailoverAnswer = z.object({
  agent: Agent,
  /** Leases that were ended at once: `requeued` went back to the outbox, `lost` into the log of their run. */
  requeued: z.int(),
  lost: z.int(),
});

export const Platform = z.object({
  platform: z.string(),
  agents: z.int(),
  slots: z.int(),
  used: z.int(),
  /** Flows in the outbox that nobody has claimed. */
  waiting: z.int(),
  pause: z.object({ by: z.string(), reason: z.string(), since: Instant }).nullable(),
});
export const PlatformList = z.object({ items: z.array(Platform) });

/** Agents as the record knows them: who holds a name, what it may carry out (protocol C8). */
import type pg from 'pg';
import { SluiceError } from '../../errors.ts';
import { newestEpoch } from '../record/epochs.ts';
import { inTransaction, type Queryable } from '../schema/pool.ts';
import { endLeases } from './lease-end.ts';

export interface Hello {
  readonly agent: string;
  readonly instance: string;
  readonly lockToken: string;
  readonly platform: string;
  readonly slots: number;
  readonly labels: readonly string[];
  readonly version: string;
  /** Encoding of the output of programs that declare none. Default: utf-8. */
  readonly encoding?: string | undefined;
  /** Version of the contract that it speaks (contract/agent.ts). */
  readonly protocol: number;
  readonly containment?: string | undefined;
  /** Epochs that this process still answers for. */
  readonly held: readonly number[];
}

/**
 * Takes the name for this instance. Another live instance is refused with `agent_name_taken`, unless this one holds the same local lock
 * file: then it is a restart and takes over at once. Open leases that it does not hold any more end by its own word.
 */
export async function registerAgent(pool: pg.Pool, hello: Hello, leaseMs: number): Promise<void> {
  const newest = await inTransaction(pool, async (client) => {
    const taken = await client.query<{ lock_token: string; live: boolean; instance: string }>(
      'select instance, lock_token, seen_ms > clock_ms() - $2 as live from agents where name = $1 for update',
      [hello.agent, leaseMs],
    );
    const holder = taken.rows[0];
    if (holder?.live && holder.instance !== hello.instance && holder.lock_token !== hello.lockToken)
      throw new SluiceError('agent_name_taken', `the agent ${hello.agent} is alive in another process`, {
        facts: { agent: hello.agent },
      });
    await client.query(
      `insert into agents (name, platform, labels, slots, instance, lock_token, version, encoding, containment, protocol, hello_ms, seen_ms)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, clock_ms(), clock_ms())
       on conflict (name) do update set platform = excluded.platform, labels = excluded.labels, slots = excluded.slots,
         instance = excluded.instance, lock_token = excluded.lock_token, version = excluded.version, encoding = excluded.encoding,
         containment = excluded.containment, protocol = excluded.protocol, hello_ms = excluded.hello_ms, seen_ms = excluded.seen_ms`,
      [
        hello.agent,
        hello.platform,
        hello.labels,
        hello.slots,
        hello.instance,
        hello.lockToken,
        hello.version,
        hello.encoding ?? '',
        hello.containment ?? null,
        hello.protocol,
      ],
    );
    // Epochs after this one belong to those that take the name next: without this row, which is locked, none is given out.
    return newestEpoch(client);
  });
  await endUnheld(pool, hello.agent, hello.held, newest);
}

/** What the agent declared for programs that declare nothing; '' = utf-8, or no such agent. */
export async function encodingOfAgent(client: Queryable, agent: string): Promise<string> {
  const found = await client.query<{ encoding: string }>('select encoding from agents where name = $1', [
    agent,
  ]);
  return found.rows[0]?.encoding ?? '';
}

/** A process leaves on purpose: what it does not hold any more ends, the name is free; nothing it still says takes the name again. */
export async function releaseAgent(
  pool: pg.Pool,
  agent: string,
  instance: string,
  held: readonly number[],
): Promise<void> {
  const newest = await inTransaction(pool, async (client) => {
    const left = await client.query(
      "update agents set seen_ms = 0, instance = '' where name = $1 and instance = $2",
      [agent, instance],
    );
    return left.rowCount === 1 ? newestEpoch(client) : null;
  });
  if (newest !== null) await endUnheld(pool, agent, held, newest);
}

async function endUnheld(
  pool: pg.Pool,
  agent: string,
  held: readonly number[],
  newest: number,
): Promise<void> {
  const open = await pool.query<{ epoch: number }>(
    'select epoch from leases where agent = $1 and epoch <> all($2::bigint[]) and epoch <= $3',
    [agent, held, newest],
  );
  const epochs = open.rows.map((row) => row.epoch);
  if (epochs.length > 0) await endLeases(pool, epochs, null);
}

/** The contract since which the key of a fence is the work: agents of an older one claim nothing. */
const FENCES_WORKS = 2;

/**
 * Throws `agent_name_taken` when the caller is no longer the instance that holds the name, or has not said hello since the API knows
 * another contract: its next hello is refused with the reason.
 */
export async function requireInstance(
  client: Queryable,
  calls: readonly { agent: string; instance: string }[],
): Promise<void> {
  const found = await client.query<{ agent: string }>({
    name: 'require-instance',
    text: `select x.agent from unnest($1::text[], $2::text[]) as x (agent, instance)
      where not exists (select 1 from agents a where a.name = x.agent and a.instance = x.instance and a.protocol >= $3)`,
    values: [calls.map((c) => c.agent), calls.map((c) => c.instance), FENCES_WORKS],
  });
  const gone = found.rows[0]?.agent;
  if (gone !== undefined)
    throw new SluiceError(
      'agent_name_taken',
      `another process has taken over the agent ${gone}; say hello again`,
      { facts: { agent: gone } },
    );
}

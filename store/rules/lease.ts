/** Which process evaluates rules (protocol F2): one at a time, and a frozen one writes nothing after it has lost its lease. */
import { SluiceError } from '../../errors.ts';
import type { Queryable, Transaction } from '../schema/pool.ts';

/** Takes or prolongs the lease; answers its number, or null while another process holds it. */
export async function takeLease(client: Queryable, holder: string, leaseMs: number): Promise<number | null> {
  const taken = await client.query<{ number: number }>({
    name: 'take-rule-lease',
    text: `insert into rule_lease (holder, number, until_ms) values ($1, 1, clock_ms() + $2::bigint)
      on conflict (one) do update set holder = $1, until_ms = clock_ms() + $2::bigint,
        number = rule_lease.number + case when rule_lease.holder = $1 then 0 else 1 end
      where rule_lease.holder = $1 or rule_lease.until_ms < clock_ms() returning number`,
    values: [holder, leaseMs],
  });
  return taken.rows[0]?.number ?? null;
}

/** Gives the lease up, so that another process need not wait for its end. */
export async function leaveLease(client: Queryable, holder: string): Promise<void> {
  await client.query('update rule_lease set until_ms = 0 where holder = $1', [holder]);
}

/** Holds the lease until the transaction ends. Throws when another process has it; nothing of the transaction is written then. */
export async function holdLease(client: Transaction, number: number): Promise<void> {
  const held = await client.query('select 1 from rule_lease where number = $1 for share', [number]);
  if (held.rowCount === 0)
    throw new SluiceError('internal', 'another process evaluates the rules now', {
      facts: { lease: number },
    });
}

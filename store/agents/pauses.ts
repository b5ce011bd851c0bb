/** Pauses of platforms (protocol C9): read by claims, so they hold at once and use up no retry budget. Runs pause through their log. */
import type pg from 'pg';
import { SluiceError } from '../../errors.ts';
import { writeAudit } from '../operations/audit.ts';
import { notify } from '../schema/notify.ts';
import { inTransaction, type Queryable, type Transaction } from '../schema/pool.ts';

/** How many pauses of a scope (`run:...`, `platform:...`, `rules`) are in force. */
export async function pausesInForce(client: Queryable, scope: string): Promise<number> {
  const found = await client.query('select 1 from pauses where scope = $1 and to_ms is null', [scope]);
  return found.rowCount ?? 0;
}

interface By {
  readonly actor: string;
  readonly reason: string;
}

/** False: the scope is paused already. Two at once begin one pause. */
export async function beginPause(client: Transaction, scope: string, by: By): Promise<boolean> {
  await client.query('select pg_advisory_xact_lock(hashtext($1))', [scope]);
  const begun = await client.query(
    `insert into pauses (scope, from_ms, actor, reason) select $1, clock_ms(), $2, $3
     where not exists (select 1 from pauses where scope = $1 and to_ms is null)`,
    [scope, by.actor, by.reason],
  );
  return begun.rowCount !== 0;
}

/** False: the scope is not paused. */
export async function endPause(client: Transaction, scope: string, by: By): Promise<boolean> {
  const ended = await client.query(
    'update pauses set to_ms = clock_ms(), ended_by = $2 where scope = $1 and to_ms is null',
    [scope, by.actor],
  );
  return ended.rowCount !== 0;
}

/** Throws `already_paused`. */
export async function pausePlatform(pool: pg.Pool, platform: string, by: By): Promise<void> {
  await inTransaction(pool, async (client) => {
    if (!(await beginPause(client, `platform:${platform}`, by)))
      throw new SluiceError('already_paused', `the platform ${platform} is paused`, { facts: { platform } });
    await writeAudit(client, {
      ...by,
      verb: 'pause-platform',
      run: null,
      targets: [platform],
      outcome: 'applied',
    });
  });
}

/** Throws `not_paused`. Wakes waiting claims. */
export async function resumePlatform(pool: pg.Pool, platform: string, by: By): Promise<void> {
  await inTransaction(pool, async (client) => {
    if (!(await endPause(client, `platform:${platform}`, by)))
      throw new SluiceError('not_paused', `the platform ${platform} is not paused`, { facts: { platform } });
    await writeAudit(client, {
      ...by,
      verb: 'resume-platform',
      run: null,
      targets: [platform],
      outcome: 'applied',
    });
    await notify(client, 'sluice_outbox', platform);
  });
}

/** Which rules may act: enabled by a person for one definition (protocol F4). The others only report. */
import type pg from 'pg';
import { SluiceError } from '../../errors.ts';
import { beginPause, endPause } from '../agents/pauses.ts';
import { writeAudit } from '../operations/audit.ts';
import { inTransaction, type Queryable } from '../schema/pool.ts';

export interface EnabledRule {
  readonly rule: string;
  /** Of the definition for which it was enabled. */
  readonly hash: string;
  readonly actor: string;
  readonly reason: string;
  readonly at: number;
}

export async function enabledRules(client: Queryable): Promise<Map<string, EnabledRule>> {
  const found = await client.query<EnabledRule>({
    name: 'enabled-rules',
    text: 'select rule_id as rule, definition_hash as hash, actor, reason, at_ms as at from enabled_rules',
  });
  return new Map(found.rows.map((row) => [row.rule, row]));
}

interface By {
  readonly actor: string;
  readonly reason: string;
}

/** Enables a rule with the definition of this hash; for another definition it has to be enabled once more. */
export async function enableRule(pool: pg.Pool, rule: string, hash: string, by: By): Promise<void> {
  await inTransaction(pool, async (client) => {
    await client.query(
      `insert into enabled_rules (rule_id, definition_hash, actor, reason, at_ms) values ($1, $2, $3, $4, clock_ms())
       on conflict (rule_id) do update set definition_hash = $2, actor = $3, reason = $4, at_ms = clock_ms()`,
      [rule, hash, by.actor, by.reason],
    );
    await writeAudit(client, {
      ...by,
      verb: 'enable-rule',
      run: null,
      targets: [rule],
      outcome: 'applied',
      detail: { hash },
    });
  });
}

/** From now on the rule only reports. */
export async function disableRule(pool: pg.Pool, rule: string, by: By): Promise<void> {
  await inTransaction(pool, async (client) => {
    await client.query('delete from enabled_rules where rule_id = $1', [rule]);
    await writeAudit(client, { ...by, verb: 'disable-rule', run: null, targets: [rule], outcome: 'applied' });
  });
}

/** Scope of the pause of all rules. */
const SCOPE = 'rules';

/** No rule acts or reports until `resumeRules`; what happens meanwhile is kept. Throws `already_paused`. */
export async function pauseRules(pool: pg.Pool, by: By): Promise<void> {
  await inTransaction(pool, async (client) => {
    if (!(await beginPause(client, SCOPE, by)))
      throw new SluiceError('already_paused', 'the rules are paused');
    await writeAudit(client, { ...by, verb: 'pause-rules', run: null, outcome: 'applied' });
  });
}

/** Throws `not_paused`. */
export async function resumeRules(pool: pg.Pool, by: By): Promise<void> {
  await inTransaction(pool, async (client) => {
    if (!(await endPause(client, SCOPE, by))) throw new SluiceError('not_paused', 'the rules are not paused');
    await writeAudit(client, { ...by, verb: 'resume-rules', run: null, outcome: 'applied' });
  });
}

/** Who paused the rules; null: they are not paused. */
export async function pauseOfRules(
  client: Queryable,
): Promise<{ by: string; reason: string; since: number } | null> {
  const found = await client.query<{ by: string; reason: string; since: number }>(
    'select actor as by, reason, from_ms as since from pauses where scope = $1 and to_ms is null',
    [SCOPE],
  );
  return found.rows[0] ?? null;
}

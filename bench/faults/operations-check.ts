/** Whether the record agrees with what operators were answered (protocol B1, B2): nothing acknowledged is lost or answered differently. */
import type { Facts } from './facts.ts';
import { grouped, type Report } from './violation.ts';

/** Verbs whose flows each get a row of `overrides`. */
const NOTED: ReadonlySet<string> = new Set([
  'hold',
  'skip',
  'start-now',
  'force-pass',
  'expedite',
  'cancel',
  'confirm',
  'resolve',
]);

export function checkOperations(facts: Facts, report: Report): void {
  const operations = new Map(facts.operations.map((operation) => [operation.id, operation]));
  const audit = grouped(
    facts.audit.filter((entry) => entry.operation !== null),
    (entry) => entry.operation!,
  );
  const overrides = grouped(
    facts.overrides.filter((override) => override.operation !== null),
    (override) => override.operation!,
  );
  for (const mine of facts.acknowledged) {
    if (mine.outcome === 'unanswered') {
      report('answered', `${mine.operator} never got an answer to ${mine.verb} on ${mine.run}`, { ...mine });
      continue;
    }
    if (mine.operation === null) continue;
    const row = operations.get(mine.operation);
    const rows = audit.get(mine.operation) ?? [];
    if (row === undefined) {
      report('acknowledged_kept', `the operation ${mine.operation} was acknowledged and is gone`, {
        ...mine,
      });
      continue;
    }
    if (row.state !== mine.outcome || row.code !== mine.code)
      report('acknowledged_kept', `${mine.operation} was answered ${mine.outcome} and is ${row.state}`, {
        mine,
        row,
      });
    if (rows.length !== 1 || rows[0]!.outcome !== mine.outcome || rows[0]!.code !== mine.code)
      report(
        'audited',
        `${mine.operation} (${mine.verb}, ${mine.outcome}) has ${rows.length} rows in the audit`,
        {
          mine,
          rows,
        },
      );
    if (row.state === 'applied' && NOTED.has(mine.verb) && overrides.get(row.id)?.length !== row.done.length)
      report('acknowledged_kept', `${mine.operation} (${mine.verb}) was applied and left no override`, {
        mine,
        row,
      });
  }
  checkRejections(facts, report);
  for (const row of facts.operations)
    if (row.state === 'requested')
      report('answered', `the operation ${row.id} was never decided`, { ...row });
    else if (audit.get(row.id)?.length !== 1)
      report('audited', `the operation ${row.id} has ${audit.get(row.id)?.length ?? 0} rows in the audit`, {
        ...row,
      });
}

/** What was turned away at the door has no operation: it is counted. A repeated request may be turned away twice. */
function checkRejections(facts: Facts, report: Report): void {
  const keyOf = (entry: { verb: string; code: string | null }, who: string): string =>
    `${who} ${entry.verb} ${entry.code}`;
  const audited = grouped(
    facts.audit.filter((entry) => entry.outcome === 'rejected'),
    (entry) => keyOf(entry, entry.actor),
  );
  const reported = grouped(
    facts.acknowledged.filter((entry) => entry.outcome === 'rejected'),
    (entry) => keyOf(entry, entry.operator),
  );
  for (const [key, list] of reported)
    if ((audited.get(key)?.length ?? 0) < list.length)
      report(
        'audited',
        `${key}: ${list.length} refusals at the door, ${audited.get(key)?.length ?? 0} in the audit`,
        {
          first: list[0],
        },
      );
}

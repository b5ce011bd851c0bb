/**
 * Second half of a distribution (protocol D3). One fenced insert-select from the staging table replaces the rows of the
 * period. The rows that arrive must have the same number and checksum as those that the export read from the source.
 */

import type { Task } from '../../contract/agent.ts';
import { ProgramError } from '../../sql/program-error.ts';
import type { ExecuteContext, Platform, SpecOf } from '../platform.ts';
import { urlOf } from '../sql/connections.ts';
import { failed } from '../sql/failure.ts';
import { inFencedTransaction } from '../sql/fenced-transaction.ts';
import type { Frame } from '../sql/in-session.ts';
import { Sessions } from '../sql/session.ts';
import type { CopyPlatformOptions } from './copy-platform.ts';
import { quoteName, quoteTable } from './identifiers.ts';
import { type Column, checksumSql, columnsOf, stagingTable } from './staging.ts';

interface ExportRow {
  generation: number;
  source_table: string;
  rows: string;
  checksum: string;
  staging_table: string;
  /** Zone of the session that summed the rows; null: UTC, as it was before zones were stored. */
  time_zone: string | null;
}

/** The newest finished export of the run. It is locked, so that no newer export empties the staging table meanwhile. */
const NEWEST_EXPORT = `
select generation, source_table, rows, checksum, staging_table, time_zone from sluice.disp_export_ctl
where distribution = $1 and period = $2 and run = $3 and deal_stat = 99
order by generation desc limit 1 for share`;

const CONTROL = `
insert into sluice.disp_import_ctl
  (distribution, period, run, generation, source_table, target_table, agent, staging_table, deal_stat, rows, checksum, time_zone)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
on conflict (distribution, period, run, generation) do update
  set source_table = excluded.source_table, target_table = excluded.target_table, agent = excluded.agent,
      staging_table = excluded.staging_table, deal_stat = excluded.deal_stat, rows = excluded.rows,
      checksum = excluded.checksum, time_zone = excluded.time_zone, updated_at = clock_timestamp()`;

export function createImportPlatform({
  connections,
  agentName,
  sessions = new Sessions(),
}: CopyPlatformOptions): Platform {
  return {
    async execute(task, context) {
      const spec = task.spec as SpecOf<'import'>;
      try {
        const url = urlOf(connections, spec.to.connection, task);
        return await inFencedTransaction({ sessions, url, task, context }, (frame) =>
          replacePeriod({ frame, task, spec, agentName, context }),
        );
      } catch (error) {
        return failed(error);
      }
    },
  };
}

interface Import {
  readonly frame: Frame;
  readonly task: Task;
  readonly spec: SpecOf<'import'>;
  readonly agentName: string;
  readonly context: ExecuteContext;
}

async function replacePeriod({ frame, task, spec, agentName, context }: Import): Promise<{ rows: number }> {
  const { client } = frame.session;
  const { period, lease } = task;
  const columns = await columnsOf(client, spec.to.table, spec.columns);
  const [periodColumn] = await columnsOf(client, spec.to.table, [spec.periodColumn]);
  const staging = stagingTable(spec.distribution, columns);
  const exported = await finishedExport(frame, task, spec, staging);

  // A time with zone is summed as text: in the zone in which the export summed it.
  await client.query(`select set_config('timezone', $1, true)`, [exported.time_zone ?? 'UTC']);
  const since = performance.now();
  const target = quoteTable(spec.to.table);
  frame.interruption.check();
  const deleted = await client.query(`delete from ${target} where ${quoteName(spec.periodColumn)} = $1`, [
    period,
  ]);
  frame.interruption.check();
  const { rows } = await client.query<{ rows: string; checksum: string; strangers: string }>(
    insertSelect(target, staging, columns, periodColumn!),
    [period, lease.run, exported.generation, period],
  );
  const arrived = rows[0]!;
  if (arrived.rows !== exported.rows || arrived.checksum !== exported.checksum) {
    throw new ProgramError(
      `the export read ${exported.rows} rows (checksum ${exported.checksum}), ` +
        `but ${arrived.rows} arrived (checksum ${arrived.checksum})`,
    );
  }
  if (arrived.strangers !== '0') {
    throw new ProgramError(
      `${arrived.strangers} exported rows do not belong to period ${period} by ${spec.periodColumn}: ` +
        'the next import would not replace them',
    );
  }
  await client.query(CONTROL, [
    spec.distribution,
    period,
    lease.run,
    lease.generation,
    exported.source_table,
    spec.to.table,
    agentName,
    staging,
    99,
    arrived.rows,
    arrived.checksum,
    exported.time_zone,
  ]);
  const ms = Math.round(performance.now() - since);
  context.log(
    `import ${staging} -> ${spec.to.connection}:${spec.to.table}, export's generation ${exported.generation}\n`,
  );
  context.log(
    `-- ${deleted.rowCount} rows replaced by ${arrived.rows}, checksum ${arrived.checksum}, ${ms} ms\n`,
  );
  return { rows: Number(arrived.rows) };
}

async function finishedExport(
  frame: Frame,
  task: Task,
  spec: SpecOf<'import'>,
  staging: string,
): Promise<ExportRow> {
  const { rows } = await frame.session.client.query<ExportRow>(NEWEST_EXPORT, [
    spec.distribution,
    task.period,
    task.lease.run,
  ]);
  const exported = rows[0];
  if (exported === undefined) {
    throw new ProgramError(
      `no finished export of ${spec.distribution} for period ${task.period} in run ${task.lease.run}`,
    );
  }
  if (exported.staging_table !== staging) {
    throw new ProgramError(
      `columns or types of ${spec.to.table} changed since the export of generation ${exported.generation}: export again`,
    );
  }
  return exported;
}

function insertSelect(target: string, staging: string, columns: readonly Column[], period: Column): string {
  const list = columns.map(({ name }) => name).join(', ');
  return `
with arrived as (
  insert into ${target} (${list})
  select ${list} from ${staging} where sluice_period = $1 and sluice_run = $2 and sluice_generation = $3
  returning ${list}, ${period.name} as sluice_period_of_row
)
select count(*)::text as rows, ${checksumSql(columns)} as checksum,
       count(*) filter (where sluice_period_of_row is distinct from $4)::text as strangers
from arrived`;
}

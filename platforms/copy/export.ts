/**
 * First half of a distribution (protocol D3). COPY streams rows from the source into the target's staging table; they are
 * counted and summed on the way. The fence is on the target. The control row goes from 0 to 99 in the same transaction.
 */
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import type { Task } from '../../contract/agent.ts';
import { ProgramError } from '../../sql/program-error.ts';
import { type Parameters, statementsOf } from '../../sql/statements.ts';
import { type Platform, parametersOf, type SpecOf } from '../platform.ts';
import { urlOf } from '../sql/connections.ts';
import { failed } from '../sql/failure.ts';
import { inFencedTransaction } from '../sql/fenced-transaction.ts';
import type { Frame } from '../sql/in-session.ts';
import { cancelUnended, type DatabaseAttempt, Sessions } from '../sql/session.ts';
import { ChecksumStream } from './checksum-stream.ts';
import type { CopyPlatformOptions } from './copy-platform.ts';
import { quoteTable } from './identifiers.ts';
import { type Column, columnsOf, ensureStaging, stagingTable } from './staging.ts';

/** The characters of run ids and periods. They become constants of the COPY, so no other character is accepted. */
const KEY = /^[A-Za-z0-9_.-]+$/;

const BEGIN_CONTROL = `
insert into sluice.disp_export_ctl as ctl
  (distribution, period, run, generation, source_table, target_table, agent, staging_table, deal_stat)
values ($1, $2, $3, $4, $5, $6, $7, $8, 0)
on conflict (distribution, period, run, generation) do update
  set agent = excluded.agent, staging_table = excluded.staging_table, updated_at = clock_timestamp()
  where ctl.deal_stat not in (99, -100)`;

const END_CONTROL = `
update sluice.disp_export_ctl set deal_stat = 99, rows = $5, checksum = $6, time_zone = $7, updated_at = clock_timestamp()
where distribution = $1 and period = $2 and run = $3 and generation = $4`;

/** Older generations of the run are void: their rows leave the staging table with them. */
const VOID_OLDER = `
update sluice.disp_export_ctl set deal_stat = -100, updated_at = clock_timestamp()
where distribution = $1 and period = $2 and run = $3 and generation < $4 and deal_stat <> -100`;

/**
 * Deletes the rows that this distribution staged more than 90 days ago. No import needs them any more; one that does fails and asks for
 * another export. A control row that an import reads at the moment stays until the next export.
 */
const voidOld = (staging: string): string => `
with old as (
  select period, run, generation from sluice.disp_export_ctl
  where distribution = $1 and staging_table = $2 and deal_stat = 99 and updated_at < clock_timestamp() - interval '90 days'
  limit 100 for update skip locked
), gone as (
  delete from ${staging} s using old
  where s.sluice_period = old.period and s.sluice_run = old.run and s.sluice_generation = old.generation
)
update sluice.disp_export_ctl ctl set deal_stat = -100, updated_at = clock_timestamp() from old
where ctl.distribution = $1 and ctl.period = old.period and ctl.run = old.run and ctl.generation = old.generation`;

export function createExportPlatform({
  connections,
  agentName,
  sessions = new Sessions(),
}: CopyPlatformOptions): Platform {
  return {
    async execute(task, context) {
      const spec = task.spec as SpecOf<'export'>;
      const { lease, period } = task;
      const key = [spec.distribution, period, lease.run, lease.generation];
      let columns: Column[] = [];
      let staging = '';
      let source: string;
      let target: string;
      try {
        if (!KEY.test(lease.run) || !KEY.test(period)) {
          throw new ProgramError(
            `run "${lease.run}" or period "${period}" holds a character that a key may not`,
          );
        }
        source = urlOf(connections, spec.from.connection, task);
        target = urlOf(connections, spec.to.connection, task);
        quoteTable(spec.from.table);
      } catch (error) {
        return failed(error);
      }
      return inFencedTransaction(
        { sessions, url: target, task, context },
        async (frame) => {
          const { client } = frame.session;
          await client.query(
            `delete from ${staging} where sluice_period = $1 and sluice_run = $2 and sluice_generation <= $3`,
            [period, lease.run, lease.generation],
          );
          const from = { sessions, url: source, task, context };
          const { rows, checksum } = await stream(from, frame, { spec, columns, staging });
          await client.query(VOID_OLDER, key);
          await client.query(END_CONTROL, [...key, rows, checksum, task.timeZone]);
          await client.query(voidOld(staging), [spec.distribution, staging]);
          return { rows };
        },
        async ({ session: { client } }) => {
          columns = await columnsOf(client, spec.to.table, spec.columns);
          staging = stagingTable(spec.distribution, columns);
          await ensureStaging(client, staging, columns);
          await client.query(BEGIN_CONTROL, [...key, spec.from.table, spec.to.table, agentName, staging]);
        },
      );
    },
  };
}

interface Copy {
  readonly spec: SpecOf<'export'>;
  readonly columns: readonly Column[];
  /** The staging table on the target. */
  readonly staging: string;
}

/** Copies the rows of the source into the staging table; `frame` is the target's. */
async function stream(
  { sessions, url, task, context }: DatabaseAttempt,
  frame: Frame,
  { spec, columns, staging }: Copy,
): Promise<{ rows: number; checksum: string }> {
  const { period, lease } = task;
  const source = await sessions.open(url, task, context.log);
  try {
    frame.interruption.watch(source);
    frame.interruption.check();
    // Older attempts only read here: nothing is lost when their sessions are closed at once.
    await cancelUnended(source.client, task, true);
    await source.client.query('begin transaction isolation level repeatable read, read only');
    const select = sourceSelect(task, spec, columns);
    const list = ['sluice_period', 'sluice_run', 'sluice_generation', ...columns.map(({ name }) => name)];
    context.log(`copy ${spec.from.connection}:${spec.from.table} -> ${spec.to.connection}:${staging}\n`);
    const since = performance.now();
    const reading = source.client.query(copyTo(`copy (${select}) to stdout`));
    const summing = new ChecksumStream(Buffer.byteLength(`${period}\t${lease.run}\t${lease.generation}\t`));
    const writing = frame.session.client.query(copyFrom(`copy ${staging} (${list.join(', ')}) from stdin`));
    await pipeline(reading, summing, writing);
    const { rows, checksum } = summing;
    if (writing.rowCount !== rows) {
      throw new ProgramError(`${rows} rows were read and ${writing.rowCount} written`);
    }
    context.log(`-- ${rows} rows, checksum ${checksum}, ${Math.round(performance.now() - since)} ms\n`);
    return { rows, checksum };
  } catch (error) {
    throw source.failure ?? error;
  } finally {
    source.close();
  }
}

/**
 * The source's query. COPY takes no bound parameters, so `:name` of `where` becomes a literal, written by the
 * driver's own `escapeLiteral`; the lexer that finds the names is that of SQL programs. Values are cast to the
 * target's types: what is summed on the way is the text that the target will show.
 */
function sourceSelect(task: Task, spec: SpecOf<'export'>, columns: readonly Column[]): string {
  const { period, lease } = task;
  const keys = `${pg.escapeLiteral(period)}, ${pg.escapeLiteral(lease.run)}, ${lease.generation}`;
  const list = columns.map(({ name, type, builtin }) => (builtin ? `${name}::${type}` : name)).join(', ');
  const where = spec.where === undefined ? '' : ` where ${condition(spec.where, parametersOf(task))}`;
  return `select ${keys}, ${list} from ${quoteTable(spec.from.table)}${where}`;
}

function condition(where: string, parameters: Parameters): string {
  const statements = statementsOf(where, parameters);
  if (statements.length !== 1) throw new ProgramError(`"${where}" is not one condition`);
  return `(${statements[0]!.inlined((value) => literal(value))}\n)`;
}

function literal(value: string | number | boolean): string {
  if (typeof value === 'string') return pg.escapeLiteral(value);
  return typeof value === 'number' ? `(${value})` : String(value);
}

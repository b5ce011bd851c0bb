/**
 * One database session for one attempt. Its name holds the epoch and the work of the attempt, so that the database can be asked
 * which backends of older attempts are still at work (protocol C6).
 *
 * A session is never reused for another attempt: a cancel request that arrives late must not hit another attempt.
 */
import pg from 'pg';
import type { Task } from '../../contract/agent.ts';
import type { ExecuteContext } from '../platform.ts';
import { ANSWER_MS, CONNECT_TIMEOUT_MS } from './control.ts';
import { keepBytesOfMessages } from './legible-messages.ts';
import { type Session, SilenceWatch } from './silence.ts';

/** PostgreSQL silently cuts `application_name` after 63 bytes (NAMEDATALEN - 1). */
const NAME_BYTES = 63;
const NAME = /^sluice e(\d+) ([0-9a-f]{16}|-) /;

type Named = Pick<Task, 'program' | 'period' | 'lease' | 'work'>;

/** `sluice e<epoch> <16 hex digits of the work> <period> <program>`. The program is for people and may be cut. */
export function applicationName({ lease, work, period, program }: Named): string {
  const readable = program.replaceAll(/[^\x21-\x7e]/g, '?');
  return `sluice e${lease.epoch} ${digitsOf(work)} ${period} ${readable}`.slice(0, NAME_BYTES);
}

/** The epoch in an application name of the same work; null for any other name. */
export function epochIn(name: string, { work, works }: Pick<Task, 'work' | 'works'>): number | null {
  const match = NAME.exec(name);
  if (match === null || ![work, ...works].some((key) => digitsOf(key) === match[2])) return null;
  return Number(match[1]);
}

const digitsOf = (work: string | null): string => work?.slice(0, 16) ?? '-';

/**
 * The epoch in a session name of the old form, `sluice e<epoch> <period> <program>`: agents made it before fences were taken by the work
 * (decision 0015). Null when the name has another form, or names another period or program.
 */
function oldEpochIn(name: string, { period, program }: Pick<Task, 'period' | 'program'>): number | null {
  const match = /^sluice e(\d+) (\d+) (\S+)$/.exec(name);
  if (match === null || match[2] !== period) return null;
  // The name of a long program was cut, and `~` and 8 digits of a hash were added.
  const begun = match[3]!.replace(/~[0-9a-f]{8}$/, '');
  return program.replaceAll(/[^\x21-\x7e]/g, '?').startsWith(begun) ? Number(match[1]) : null;
}

type SessionTask = Named & Pick<Task, 'orphanMs' | 'timeZone'>;

/** Opens the sessions of one agent. One look at a database watches all sessions on it for silence (silence.ts). */
export class Sessions {
  readonly #silence = new SilenceWatch();

  /** Notices of the database go to `log`. Rejects when the database cannot be reached. */
  open(url: string, task: SessionTask, log: (text: string) => void): Promise<Session> {
    return open(url, task, log, (session) => this.#silence.add(session));
  }
}

/** What an attempt on a database begins with. */
export interface DatabaseAttempt {
  readonly sessions: Sessions;
  readonly url: string;
  readonly task: Task;
  readonly context: ExecuteContext;
}

/**
 * Opens a session for the task. The server notices within a second that the agent is gone
 * (`client_connection_check_interval`), and ends a transaction that a frozen agent leaves idle after `orphanMs`.
 * Limits that an administrator set on the role are lifted, because the agent counts the timeout itself and leaves out the wait for
 * the fence. Formats are fixed so that copies read the same text on both sides. The time zone is the task's, whatever the role, the
 * database or the URL say. A database of encoding SQL_ASCII sends its bytes unchanged: if UTF-8 were requested, a statement that raises
 * a notice with other bytes would fail.
 */
async function open(
  url: string,
  task: SessionTask,
  log: (text: string) => void,
  watch: (session: Session) => () => void,
): Promise<Session> {
  const name = applicationName(task);
  const client = new pg.Client({
    connectionString: url,
    application_name: name,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    // Then a database that disappears is noticed within half a minute, not after hours.
    keepAliveInitialDelayMillis: 10_000,
  });
  keepBytesOfMessages(client);
  // A broken connection also rejects the query in flight. Without this listener it would end the process.
  client.on('error', () => {});
  client.on('notice', (notice) => log(`${notice.severity ?? 'NOTICE'}: ${notice.message ?? ''}\n`));
  let closed = false;
  let failure: Error | null = null;
  let unwatch = (): void => {};
  const close = () => {
    if (closed) return;
    closed = true;
    unwatch();
    client.end().catch(() => {});
  };
  try {
    await client.connect();
    // node-postgres takes `query_timeout` for a single statement, too; its types do not say so.
    const settings: pg.QueryConfig & { query_timeout: number } = {
      text: `select pg_backend_pid() as pid,
              set_config('statement_timeout', '0', false), set_config('lock_timeout', '0', false),
              set_config('client_connection_check_interval', '1s', false),
              set_config('idle_in_transaction_session_timeout', $1, false),
              set_config('timezone', $2, false), set_config('datestyle', 'ISO, YMD', false),
              set_config('intervalstyle', 'iso_8601', false), set_config('extra_float_digits', '1', false),
              set_config('bytea_output', 'hex', false), set_config('standard_conforming_strings', 'on', false),
              set_config('application_name', $3, false), set_config('client_encoding',
                case current_setting('server_encoding') when 'SQL_ASCII' then 'SQL_ASCII' else current_setting('client_encoding') end, false)`,
      values: [`${Math.min(Math.max(task.orphanMs, 1_000), 2_147_483_647)}ms`, task.timeZone, name],
      query_timeout: ANSWER_MS,
    };
    const { rows } = await client.query<{ pid: number }>(settings);
    const session: Session = {
      client,
      url,
      name,
      pid: rows[0]!.pid,
      close,
      get failure() {
        return failure;
      },
      fail(cause) {
        failure ??= cause;
        close();
      },
    };
    unwatch = watch(session);
    return session;
  } catch (error) {
    close();
    throw error;
  }
}

const OTHERS = `
  select pid, application_name as name from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid() and application_name like 'sluice e%'`;

/**
 * Ends the backends of earlier attempts of this work that are over for the record, but ended without their program's word (protocol C6). It
 * cancels their statements, or with `terminate` closes them, because a backend that waits for its frozen client does not notice a cancel. Backends of other records
 * are left alone, whatever their epochs. Returns the epochs that were at work. It never waits for the fence: the caller does that next.
 */
export async function cancelUnended(
  client: pg.ClientBase,
  task: Task,
  terminate: boolean,
): Promise<number[]> {
  if (task.unended.length === 0) return [];
  const unended = new Set(task.unended);
  const { rows } = await client.query<{ pid: number; name: string }>(OTHERS);
  const older = rows.flatMap(({ pid, name }) => {
    const epoch = epochIn(name, task) ?? oldEpochIn(name, task);
    return epoch !== null && unended.has(epoch) ? [{ pid, epoch }] : [];
  });
  if (older.length > 0) {
    const end = terminate ? 'pg_terminate_backend' : 'pg_cancel_backend';
    await client.query(`select ${end}(pid) from unnest($1::int[]) as pid`, [older.map(({ pid }) => pid)]);
  }
  return older.map(({ epoch }) => epoch);
}

/** The sessions that a session waits for, as people find them in `pg_stat_activity`; empty when there are none. */
export async function blockersOf(control: pg.ClientBase, pid: number): Promise<string[]> {
  const { rows } = await control.query<{ pid: number; name: string | null; role: string | null }>(
    `select a.pid, a.application_name as name, a.usename as role from pg_stat_activity a
     where a.pid = any(pg_blocking_pids($1)) order by a.pid limit 5`,
    [pid],
  );
  return rows.map(
    ({ pid: holder, name, role }) => `${name || 'a session'} (backend ${holder}, role ${role ?? '?'})`,
  );
}

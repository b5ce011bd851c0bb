/**
 * One database session for one attempt: its name tells every other attempt whose it is, so that the database itself
 * can be asked which backends of older epochs are still at work (protocol C6).
 *
 * A session is never reused for another attempt: a cancel request that arrives late must not hit a stranger.
 */
import pg from 'pg';
import type { ExecuteContext, Task } from '../platform.ts';
import { ANSWER_MS, CONNECT_TIMEOUT_MS } from './control.ts';
import { keepBytesOfMessages } from './legible-messages.ts';
import { type Session, SilenceWatch } from './silence.ts';

/** PostgreSQL cuts `application_name` after 63 bytes (NAMEDATALEN - 1) without a word. */
const NAME_BYTES = 63;
const NAME = /^sluice e(\d+) ([0-9a-f]{16}|-) /;

type Named = Pick<Task, 'program' | 'period' | 'lease' | 'work'>;

/** `sluice e<epoch> <16 hex digits of the work> <period> <program>`, the program for people, as far as there is room. */
export function applicationName({ lease, work, period, program }: Named): string {
  const readable = program.replaceAll(/[^\x21-\x7e]/g, '?');
  return `sluice e${lease.epoch} ${digitsOf(work)} ${period} ${readable}`.slice(0, NAME_BYTES);
}

/** The epoch in an application name, if it is one of the same work. */
export function epochIn(name: string, { work, works }: Pick<Task, 'work' | 'works'>): number | null {
  const match = NAME.exec(name);
  if (match === null || ![work, ...works].some((key) => digitsOf(key) === match[2])) return null;
  return Number(match[1]);
}

const digitsOf = (work: string | null): string => work?.slice(0, 16) ?? '-';

/** The epoch in the name of a session of before there were works, if it is one of the same program and period. */
function oldEpochIn(name: string, { period, program }: Pick<Task, 'period' | 'program'>): number | null {
  const match = /^sluice e(\d+) (\d+) (\S+)$/.exec(name);
  if (match === null || match[2] !== period) return null;
  // Long programs were cut and told apart by a hash.
  const begun = match[3]!.replace(/~[0-9a-f]{8}$/, '');
  return program.replaceAll(/[^\x21-\x7e]/g, '?').startsWith(begun) ? Number(match[1]) : null;
}

type SessionTask = Named & Pick<Task, 'orphanMs' | 'timeZone'>;

/** The sessions of one agent: those of one database are watched for silence together. */
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
 * Limits that an administrator set on the role are lifted: the agent counts the timeout itself, without the wait for
 * the fence. Formats are fixed so that copies read the same text on both sides; the zone is the task's, whatever the
 * role, the database or the URL say. A database of encoding SQL_ASCII, which knows nothing of its bytes, sends them as they are: asked for
 * UTF-8 it fails the statement that raises a notice of others.
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
    // A database that is gone without a word shows within half a minute, not after hours.
    keepAliveInitialDelayMillis: 10_000,
  });
  keepBytesOfMessages(client);
  // A broken connection also rejects the query in flight; without a listener it would end the process.
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
    // Known to node-postgres for each statement, not to its types.
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
 * Ends what backends of the record's own attempts of this work are doing that have ended for the record (protocol C6): asks them to cancel,
 * or with `terminate` closes them, because a backend that waits for its frozen client hears no cancel. Backends of other records are left
 * alone, whatever their epochs. Returns the epochs that were at work. Never waits for the fence: that is what the caller does next.
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

/** Who keeps a session waiting, as people find them in `pg_stat_activity`; empty when nobody does. */
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

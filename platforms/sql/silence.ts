/**
 * Finds sessions whose connection has fallen silent while both ends hold it open: something between them (a proxy, a machine that was
 * moved) drops what is sent, but answers keep-alive itself. So the database is asked over a new connection what the backend does. When
 * the backend has nothing to do while the client waits for an answer, a message was lost and no answer will ever come.
 */
import type pg from 'pg';
import { withControl } from './control.ts';

/** Interval of the looks, ms. A session is silent when two looks in a row find the same: an answer takes less time than this to arrive. */
const LOOK_MS = 5_000;

/** `readyForQuery` is a field of node-postgres: true while no statement waits for its answer. */
type Client = pg.Client & { readonly readyForQuery: boolean };

/** A session of one attempt (platforms/sql/session.ts). */
export interface Session {
  readonly client: pg.Client;
  /** Where the session is, for a second connection that cancels it. */
  readonly url: string;
  readonly pid: number;
  /** Its `application_name`. */
  readonly name: string;
  /** Why the session was closed by `fail`; null otherwise. The statement in flight only reports that the connection was closed. */
  readonly failure: Error | null;
  /** Closes the connection at once and without waiting for the server; safe to call twice. */
  close(): void;
  /** Closes the session because of `cause`. */
  fail(cause: Error): void;
}

interface Backend {
  pid: number;
  name: string;
  idle: boolean;
  since: string | null;
}

/** The sessions of one database. One short connection looks at all of them; without sessions there are no looks. */
interface Watch {
  readonly sessions: Map<Session, /** What the last look found suspicious; null: nothing. */ string | null>;
  timer: NodeJS.Timeout | undefined;
}

export class SilenceWatch {
  /** By URL of the database. */
  readonly #watches = new Map<string, Watch>();

  /** Looks at the session until the returned function is called. A silent session is closed with `fail`, and its backend is ended. */
  add(session: Session): () => void {
    const watch = this.#watches.get(session.url) ?? { sessions: new Map(), timer: undefined };
    this.#watches.set(session.url, watch);
    watch.sessions.set(session, null);
    if (watch.timer === undefined) look(session.url, watch);
    return () => {
      watch.sessions.delete(session);
      if (watch.sessions.size > 0) return;
      clearTimeout(watch.timer);
      if (this.#watches.get(session.url) === watch) this.#watches.delete(session.url);
    };
  }
}

function look(url: string, watch: Watch): void {
  watch.timer = setTimeout(async () => {
    try {
      await lookOnce(url, watch);
    } catch {
      // The database takes no connection now. The next look asks again.
    }
    if (watch.sessions.size > 0) look(url, watch);
  }, LOOK_MS);
}

async function lookOnce(url: string, watch: Watch): Promise<void> {
  const waiting = [...watch.sessions.keys()].filter(isWaiting);
  for (const session of watch.sessions.keys())
    if (!waiting.includes(session)) watch.sessions.set(session, null);
  if (waiting.length === 0) return;
  await withControl(url, async (control) => {
    const { rows } = await control.query<Backend>(
      `select pid, application_name as name, coalesce(state like 'idle%', false) as idle, state_change::text as since
       from pg_stat_activity where pid = any($1::int[])`,
      [waiting.map(({ pid }) => pid)],
    );
    const backends = new Map(rows.map((row) => [row.pid, row]));
    for (const session of waiting) {
      const found = suspicion(session, backends.get(session.pid));
      const before = watch.sessions.get(session);
      // Ended meanwhile, or no longer waiting.
      if (before === undefined || !isWaiting(session)) continue;
      watch.sessions.set(session, found);
      if (found === null || found !== before) continue;
      session.fail(
        new Error(
          found === GONE
            ? 'the database has ended this session, but the connection stayed open'
            : 'the connection to the database has fallen silent: the database executes no statement of this session, and no answer came',
        ),
      );
      if (found !== GONE) await control.query('select pg_terminate_backend($1)', [session.pid]);
    }
  });
}

const isWaiting = (session: Session): boolean => !(session.client as Client).readyForQuery;

const GONE = 'gone';

/** A text that says what is suspicious; null: nothing is. When the next look finds the same text, the backend has not moved since. */
function suspicion(session: Session, backend: Backend | undefined): string | null {
  if (backend === undefined || backend.name !== session.name) return GONE;
  return backend.idle ? `idle since ${backend.since}` : null;
}

/**
 * One statement of a SQL program, and what it must not change (protocol C6): the transaction that took the fence, the role, and settings on
 * which the agent relies. Statements are sent by the extended protocol, in which the server refuses two statements in one text.
 */
import pg from 'pg';
import { ProgramError } from '../../sql/program-error.ts';
import type { Statement } from '../../sql/statements.ts';
import type { ExecuteContext } from '../platform.ts';
import type { Frame } from './in-session.ts';

const CHANGES_ROWS = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE', 'COPY']);

export interface Answer {
  /** Rows inserted, updated, deleted or copied; null when the statement is of another kind. */
  readonly changed: number | null;
  readonly columns: number;
  readonly count: number;
  readonly firstRow: readonly unknown[] | undefined;
}

/** Name of what is held -> its value, as the session says. */
type Held = Readonly<Record<string, string | null>>;

/** Without names that a search path could give another meaning. */
const HELD = `select current_user::pg_catalog.text as role, session_user::pg_catalog.text as "session authorization",
  pg_catalog.current_setting('standard_conforming_strings') as standard_conforming_strings,
  pg_catalog.current_setting('transaction_isolation') as transaction_isolation,
  pg_catalog.current_setting('transaction_read_only') as transaction_read_only,
  pg_catalog.current_setting('application_name') as application_name,
  pg_catalog.current_setting('client_encoding') as client_encoding,
  pg_catalog.current_setting('idle_in_transaction_session_timeout') as idle_in_transaction_session_timeout,
  pg_catalog.current_setting('client_connection_check_interval', true) as client_connection_check_interval,
  pg_catalog.txid_current_if_assigned()::pg_catalog.text as xid`;

/** `T`: the session must stay in the transaction it is in; `I`: in none, each statement is one by itself, which another behind it would undo. */
export type Stays = 'T' | 'I';

/** Carries out the statements of one program on one session. */
export class ProgramRun {
  readonly #frame: Frame;
  readonly #context: ExecuteContext;
  readonly #stays: Stays;
  #before: Held | undefined;

  constructor(frame: Frame, context: ExecuteContext, stays: Stays) {
    this.#frame = frame;
    this.#context = context;
    this.#stays = stays;
  }

  /** Reads what is to stay as it is; to be called in the transaction, after the fence. */
  async begin(): Promise<void> {
    this.#before = await this.#held();
  }

  /** Carries out one statement, logs its first line, rows and ms. Throws ProgramError when it did not leave alone what it must. */
  async statement(statement: Statement): Promise<Answer> {
    const frame = this.#frame;
    const { client } = frame.session;
    frame.interruption.check();
    frame.current = statement;
    if (statement.clientCopy)
      throw new ProgramError(
        `"${statement.firstLine}": the agent has no data to send and no place for data that comes: ` +
          'a copy between connections is a distribution, one from or to a file of the server names the file',
      );
    this.#context.log(`${statement.firstLine}\n`);
    const since = performance.now();
    const { result, firstRow, held } = await carryOut(client, statement, this.#stays === 'T');
    const ms = Math.round(performance.now() - since);
    const count = result.rowCount ?? 0;
    const rows = result.rowCount === null ? '' : `${count} rows, `;
    this.#context.log(`-- ${result.command ?? 'done'} ${rows}${ms} ms\n`);
    this.#verify(statement, held ?? (await this.#held()));
    frame.current = undefined;
    return {
      changed: CHANGES_ROWS.has(result.command) ? count : null,
      columns: result.fields.length,
      count,
      firstRow,
    };
  }

  async #held(): Promise<Held> {
    const { rows } = await this.#frame.session.client.query<Held>(HELD);
    return rows[0]!;
  }

  #verify({ firstLine }: Statement, held: Held): void {
    const status = this.#frame.session.client.getTransactionStatus();
    const { xid, ...settings } = held;
    const { xid: xidBefore, ...before } = this.#before!;
    const left = this.#stays === 'T' && xid !== xidBefore && xidBefore !== null;
    if (status !== this.#stays || left)
      throw new ProgramError(
        this.#stays === 'T'
          ? `"${firstLine}" left the one transaction of the program, in which its effects and its fence stand together`
          : `"${firstLine}" left a transaction open: with transaction: none each statement commits by itself`,
      );
    for (const [name, value] of Object.entries(settings))
      if (value !== before[name])
        throw new ProgramError(
          `"${firstLine}" changed ${name} from ${readable(before[name])} to ${readable(value)}, on which Sluice relies; ` +
            'the connection of the program can be one that has it',
        );
  }
}

const readable = (value: string | null | undefined): string => (value ? value : 'nothing');

interface Done {
  readonly result: pg.QueryResult;
  readonly firstRow: readonly unknown[] | undefined;
  /** What the session says after it; absent: it was not asked in the same message. */
  readonly held: Held | undefined;
}

/** The parts of node-postgres that send a query, which its types leave out. */
interface Wire {
  parse(message: { text: string; name: string }): void;
  bind(message: { portal: string; statement: string; values: readonly string[] }): void;
  describe(message: { type: 'P'; name: string }): void;
  execute(message: { portal: string; rows: number }): void;
  sync(): void;
}

/** Sends what the session holds behind the statement, before the one answer is waited for. */
class CheckedQuery extends pg.Query {
  readonly #texts: readonly { readonly text: string; readonly values: readonly string[] }[];

  constructor(statement: Statement, thenHeld: boolean) {
    const config: pg.QueryArrayConfig & { queryMode: 'extended' } = {
      text: statement.text,
      rowMode: 'array',
      queryMode: 'extended',
    };
    super(config);
    const own = { text: statement.text, values: statement.values.map(String) };
    this.#texts = thenHeld ? [own, { text: HELD, values: [] }] : [own];
  }

  /** Called by node-postgres in place of its own. */
  prepare(wire: Wire): void {
    for (const { text, values } of this.#texts) {
      wire.parse({ text, name: '' });
      wire.bind({ portal: '', statement: '', values });
      wire.describe({ type: 'P', name: '' });
      wire.execute({ portal: '', rows: 0 });
    }
    wire.sync();
  }
}

/** Keeps the first row only: a program that selects a whole table must not fill the agent's memory. */
function carryOut(client: pg.Client, statement: Statement, thenHeld: boolean): Promise<Done> {
  return new Promise((resolve, reject) => {
    const firstRows = new Map<unknown, unknown[]>();
    const query = new CheckedQuery(statement, thenHeld);
    query.on('row', (row: unknown, result?: unknown) => {
      if (!firstRows.has(result)) firstRows.set(result, row as unknown[]);
    });
    query.on('end', (ended: pg.QueryResult | pg.QueryResult[]) => {
      const [result, held] = Array.isArray(ended) ? ended : [ended];
      const values = firstRows.get(held);
      resolve({
        result: result!,
        firstRow: firstRows.get(result),
        held:
          held === undefined || values === undefined
            ? undefined
            : Object.fromEntries(held.fields.map(({ name }, i) => [name, values[i] as string | null])),
      });
    });
    query.on('error', reject);
    client.query(query);
  });
}

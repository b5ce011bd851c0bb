/**
 * SQL programs: all statements in one fenced transaction (protocol C6). Checks: one boolean, read-only, without fence
 * (protocol D9).
 */
import pg from 'pg';
import { ProgramError } from '../sql/program-error.ts';
import { type Statement, statementsOf } from '../sql/statements.ts';
import { type Connections, urlOf } from './connections.ts';
import { failed } from './failure.ts';
import { type Frame, inFencedTransaction } from './fenced-transaction.ts';
import { endingOfCause, Interruption } from './interruption.ts';
import {
  type Ending,
  type ExecuteContext,
  type Platform,
  parametersOf,
  type SpecOf,
  type Task,
} from './platform.ts';
import { openSession } from './session.ts';

/** They would end or split the one transaction that the fence lives in. */
const TRANSACTION_CONTROL = new Set([
  'begin',
  'start',
  'commit',
  'end',
  'rollback',
  'abort',
  'savepoint',
  'release',
]);
const PREPARE_TRANSACTION = /^prepare\s+transaction\b/i;
const CHANGES_ROWS = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE', 'COPY']);

/**
 * `connections`: the agent's own URLs by name; `defaultConnection`: the one for programs that name none, by custom the
 * platform's name.
 */
export function createSqlPlatform(options: {
  connections: Connections;
  defaultConnection: string;
}): Platform {
  return {
    async execute(task, context) {
      const spec = task.spec as SpecOf<'sql'>;
      let url: string;
      let statements: Statement[];
      try {
        url = urlOf(options.connections, spec.connection ?? options.defaultConnection, task);
        statements = programStatements(spec, task);
      } catch (error) {
        return failed(error);
      }
      if (spec.check) return runCheck(url, task, statements, context);
      return inFencedTransaction(url, task, context, async (frame) => {
        let rows = 0;
        // A program replaces its period: what its last changing statement wrote, not what it took away before.
        for (const statement of statements)
          rows = (await runStatement(frame, statement, context)).changed ?? rows;
        return { rows };
      });
    },
  };
}

function programStatements(spec: SpecOf<'sql'>, task: Task): Statement[] {
  const statements = statementsOf(spec.sql, parametersOf(task));
  if (statements.length === 0) throw new ProgramError('the program contains no statement');
  for (const statement of statements) {
    const control = TRANSACTION_CONTROL.has(statement.verb) || PREPARE_TRANSACTION.test(statement.firstLine);
    if (!control) continue;
    const { line } = statement.place(1);
    throw new ProgramError(
      `"${statement.firstLine}" (near line ${line}): a program is one transaction already and cannot control it`,
    );
  }
  return statements;
}

interface Answer {
  /** Rows inserted, updated, deleted or copied; null when the statement is of another kind. */
  readonly changed: number | null;
  readonly columns: number;
  readonly count: number;
  readonly firstRow: readonly unknown[] | undefined;
}

/** Runs one statement, logs its first line, rows and ms. */
async function runStatement(frame: Frame, statement: Statement, context: ExecuteContext): Promise<Answer> {
  frame.interruption.check();
  frame.current = statement;
  context.log(`${statement.firstLine}\n`);
  const since = performance.now();
  const { result, firstRow } = await stream(frame.session.client, statement);
  const ms = Math.round(performance.now() - since);
  const count = result.rowCount ?? 0;
  context.log(
    `-- ${result.command ?? 'done'} ${result.rowCount === null ? '' : `${count} rows, `}${ms} ms\n`,
  );
  frame.current = undefined;
  return {
    changed: CHANGES_ROWS.has(result.command) ? count : null,
    columns: result.fields.length,
    count,
    firstRow,
  };
}

/** Keeps the first row only: a program that selects a whole table must not fill the agent's memory. */
function stream(client: pg.Client, { text, values }: Statement) {
  return new Promise<{ result: pg.QueryResult; firstRow: unknown[] | undefined }>((resolve, reject) => {
    let firstRow: unknown[] | undefined;
    const config: pg.QueryArrayConfig = { text, values: [...values], rowMode: 'array' };
    const query = new pg.Query(config);
    query.on('row', (row: unknown) => {
      firstRow ??= row as unknown[];
    });
    query.on('end', (result) => resolve({ result, firstRow }));
    query.on('error', reject);
    client.query(query);
  });
}

async function runCheck(
  url: string,
  task: Task,
  statements: Statement[],
  context: ExecuteContext,
): Promise<Ending> {
  const interruption = new Interruption(context);
  let frame: Frame | undefined;
  try {
    interruption.check();
    const session = await openSession(url, task, context.log);
    frame = { session, interruption, current: undefined };
    interruption.watch(session);
    interruption.startTimeout(task.timeoutMs);
    await session.client.query('begin transaction read only');
    let answer: Answer | undefined;
    for (const statement of statements) answer = await runStatement(frame, statement, context);
    const value = answer?.firstRow?.[0];
    if (answer?.count !== 1 || answer.columns !== 1 || (typeof value !== 'boolean' && value !== null)) {
      throw new ProgramError(
        `a check answers one boolean; this one answered ${answer?.count} rows of ${answer?.columns} columns`,
      );
    }
    context.log(`-- answer: ${value === null ? 'null, counted as false' : value}\n`);
    return value === true ? { outcome: 'succeeded' } : { outcome: 'false' };
  } catch (error) {
    if (interruption.cause !== null) return endingOfCause(interruption.cause, task, false);
    const ending = failed(frame?.session.failure ?? error, frame?.current);
    if (ending.outcome === 'failed') context.log(`-- failed: ${ending.message}\n`);
    return ending;
  } finally {
    interruption.dispose();
    frame?.session.close();
  }
}

/**
 * SQL programs: all statements in one fenced transaction (protocol C6). Checks: one boolean, read-only, without fence
 * (protocol D9).
 */

import type { Ending, Task } from '../../contract/agent.ts';
import { ProgramError } from '../../sql/program-error.ts';
import { type Statement, statementsOf } from '../../sql/statements.ts';
import { type Platform, parametersOf, type SpecOf } from '../platform.ts';
import { type Connections, urlOf } from './connections.ts';
import { failed } from './failure.ts';
import { inFencedTransaction } from './fenced-transaction.ts';
import { inSession } from './in-session.ts';
import { type Answer, ProgramRun } from './program-statement.ts';
import { type DatabaseAttempt, Sessions } from './session.ts';
import { withoutTransaction } from './without-transaction.ts';

/** First words of statements that would end or split the one transaction of program and fence. */
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

interface SqlPlatformOptions {
  /** The agent's own URLs by name. */
  readonly connections: Connections;
  /** For programs that name no connection; by custom the platform's name. */
  readonly defaultConnection: string;
  /** Shared by the platforms of one agent; default: its own. */
  readonly sessions?: Sessions;
}

export function createSqlPlatform(options: SqlPlatformOptions): Platform {
  const { sessions = new Sessions() } = options;
  return {
    async execute(task, context) {
      const spec = task.spec as SpecOf<'sql'>;
      let url: string;
      let statements: Statement[];
      try {
        url = urlFor(options, spec, task);
        statements = programStatements(spec, task);
      } catch (error) {
        return failed(error);
      }
      const attempt: DatabaseAttempt = { sessions, url, task, context };
      if (spec.check) return runCheck(attempt, statements);
      if (spec.transaction === 'none') return withoutTransaction(attempt, statements);
      return inFencedTransaction(attempt, async (frame) => {
        const run = new ProgramRun(frame, context, 'T');
        await run.begin();
        let rows = 0;
        // A program replaces its period: what its last changing statement wrote, not what it took away before.
        for (const statement of statements) rows = (await run.statement(statement)).changed ?? rows;
        return { rows };
      });
    },
  };
}

/** A check on connection `NAME` uses `NAME.check` where the agent has it: the same database with a role that may only read. */
function urlFor(
  { connections, defaultConnection }: SqlPlatformOptions,
  spec: SpecOf<'sql'>,
  task: Task,
): string {
  const name = spec.connection ?? defaultConnection;
  const url = urlOf(connections, name, task);
  return spec.check && Object.hasOwn(connections, `${name}.check`)
    ? urlOf(connections, `${name}.check`, task)
    : url;
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

async function runCheck(attempt: DatabaseAttempt, statements: readonly Statement[]): Promise<Ending> {
  const { task, context } = attempt;
  return inSession(attempt, async (frame) => {
    const { session, interruption } = frame;
    interruption.startTimeout(task.timeoutMs);
    await session.client.query('begin transaction read only');
    // After a first query the transaction cannot be made one that writes.
    await session.client.query('select 1');
    const run = new ProgramRun(frame, context, 'T');
    await run.begin();
    let answer: Answer | undefined;
    for (const statement of statements) answer = await run.statement(statement);
    const value = answer?.firstRow?.[0];
    if (answer?.count !== 1 || answer.columns !== 1 || (typeof value !== 'boolean' && value !== null)) {
      throw new ProgramError(
        `a check returns one boolean; this one returned ${answer?.count} rows of ${answer?.columns} columns`,
      );
    }
    context.log(`-- answer: ${value === null ? 'null, counted as false' : value}\n`);
    return value === true ? { outcome: 'succeeded' } : { outcome: 'false' };
  });
}

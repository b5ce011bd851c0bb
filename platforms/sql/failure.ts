/** Turns errors of a database attempt into a kind of failure (protocol C4) and a message that a person can act on. */
import pg from 'pg';
import type { Ending, FailureKind } from '../../contract/agent.ts';
import { ProgramError } from '../../sql/program-error.ts';
import type { Statement } from '../../sql/statements.ts';

/**
 * SQLSTATE classes and codes of failures of the platform, not of the program: connection, authentication, resources,
 * operator intervention (57014 without a cause of Sluice: somebody else cancelled), transient conflicts, broken server.
 */
const INFRASTRUCTURE = /^(08|28|53|57|58|XX)|^(3D000|25P03|25P04|40001|40P01|55P03|25006)$/;
/** Longest message, in characters. */
const MESSAGE_LIMIT = 4_000;

const CREATED_TWICE = 'another session created the same object at the same moment; a retry finds it';

/** Errors that a statement with `if not exists` meets only when another session creates the object at the same moment. */
const EXISTS = /^(42P06|42P07|42710)$/;

export function failureKind(error: unknown, statement?: Statement): FailureKind {
  if (error instanceof ProgramError) return 'program';
  if (!(error instanceof pg.DatabaseError)) return 'infrastructure';
  if (isCreatedTwice(error, statement)) return 'infrastructure';
  return INFRASTRUCTURE.test(error.code ?? '') ? 'infrastructure' : 'program';
}

/**
 * Whether two sessions create one object at the same moment. PostgreSQL first looks and then creates, so the second session violates the
 * key of a system catalogue, with `if not exists` too. The conflict is transient: once the first has committed, the statement succeeds.
 */
function isCreatedTwice({ code, schema }: pg.DatabaseError, statement?: Statement): boolean {
  if (code === '23505') return schema === 'pg_catalog';
  return EXISTS.test(code ?? '') && /^create\b.*\bif\s+not\s+exists\b/is.test(statement?.text.trim() ?? '');
}

/** `statement` was running: with it the message names the line in the program's text. */
export function failed(error: unknown, statement?: Statement): Ending {
  return {
    outcome: 'failed',
    kind: failureKind(error, statement),
    message: clip(describe(error, statement)),
  };
}

function describe(error: unknown, statement: Statement | undefined): string {
  if (!(error instanceof pg.DatabaseError)) return plain(error);
  const parts = [`${error.message} (${error.code ?? 'no code'})`];
  if (error.position !== undefined && statement !== undefined) {
    const { line, column } = statement.place(Number(error.position));
    parts.push(`at line ${line}, column ${column}`);
  } else if (statement !== undefined) {
    parts.push(`in: ${statement.firstLine}`);
  }
  const explanation = isCreatedTwice(error, statement) ? CREATED_TWICE : explanationOf(error.code, statement);
  if (explanation !== null) parts.push(explanation);
  if (error.detail) parts.push(`detail: ${error.detail}`);
  if (error.hint) parts.push(`hint: ${error.hint}`);
  if (error.where) parts.push(`where: ${error.where}`);
  return parts.join('\n');
}

/** Explains what PostgreSQL refuses because the program is one transaction. It goes by the code, because PostgreSQL's text may be in any language. */
function explanationOf(code: string | undefined, statement: Statement | undefined): string | null {
  switch (code) {
    case '2D000':
      return 'the program is one transaction, in which a procedure cannot commit or roll back: `transaction: none` in its catalogue entry allows it';
    case '25001':
      return statement?.verb === 'set' || statement?.verb === 'select'
        ? 'the transaction of a program is begun by Sluice, and cannot be changed'
        : 'the program is one transaction, in which this statement cannot run: `transaction: none` in its catalogue entry allows it';
    default:
      return null;
  }
}

/** Node's connection errors to several addresses come as an AggregateError with an empty message. */
function plain(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map((one) => plain(one)).join('; ');
  }
  return error instanceof Error ? error.message : String(error);
}

function clip(message: string): string {
  if (message.length <= MESSAGE_LIMIT) return message;
  // A character of two UTF-16 units is not cut in half.
  return `${message.slice(0, MESSAGE_LIMIT - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

/** What the text of a SQL program says by itself, whatever flow uses it. It is read in the thread of program-reader.ts. */
import { hasSqlDetails } from 'libpg-query';
import type { ProblemCode } from '../../graph/text/problems.ts';
import { ProgramError } from '../../sql/program-error.ts';
import { type Place, readText, type Statement } from '../../sql/statements.ts';
import { type Node, parsedNodes, type SqlTables, tablesIn } from './sql-tables.ts';
import {
  isClientCopy,
  noBoolean,
  outsideTransaction,
  transactionControl,
  type Words,
  writes,
} from './statement-rules.ts';

export interface ProgramProblem {
  readonly code: ProblemCode;
  readonly place: Place;
  readonly message: Words;
}

export interface ProgramFacts {
  readonly tables: SqlTables;
  /** The parameters that the program binds, each with the place where it stands first. */
  readonly parameters: readonly (readonly [name: string, place: Place])[];
  /** Problems for every flow that uses the program. */
  readonly problems: readonly ProgramProblem[];
  /** Further ones for flows whose program is one transaction. */
  readonly inTransaction: readonly ProgramProblem[];
  /** Further ones for checks. */
  readonly asCheck: readonly ProgramProblem[];
}

/** The parser itself gave up; the text may be right. A new parser has to read the next text. */
export class ParserExhausted extends Error {}

const START: Place = { line: 1, column: 1 };

/** `loadModule` of libpg-query must have been awaited. O(length of the text). Throws ParserExhausted. */
export function factsOf(sql: string): ProgramFacts {
  const problems: ProgramProblem[] = [];
  const inTransaction: ProgramProblem[] = [];
  const asCheck: ProgramProblem[] = [];
  let text: ReturnType<typeof readText>;
  try {
    text = readText(sql);
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    problems.push(syntax(error.place ?? START, error.message));
    const tables = { reads: [], writes: [], unread: error.message };
    return { tables, parameters: [], problems, inTransaction, asCheck };
  }
  const { statements, parameters } = text;
  if (statements.length === 0)
    problems.push({
      code: 'sql_empty',
      place: START,
      message: {
        en: 'the program holds no statement: nothing would be done',
        zh: '程序中没有任何语句，不会做任何事',
      },
    });
  const parsed = statements.map((statement): readonly Node[] | string => {
    try {
      return parsedNodes(statement.text);
    } catch (error) {
      const [found, why] = whyNot(statement, error);
      problems.push(found);
      return why;
    }
  });
  parsed.forEach((nodes, i) => {
    if (typeof nodes === 'string') return;
    const place = beginningOf(statements[i]!);
    for (const node of nodes) {
      const control = transactionControl(node);
      if (control !== null) inTransaction.push({ code: 'sql_transaction', place, message: control });
      const outside = outsideTransaction(node);
      if (outside !== null)
        inTransaction.push({ code: 'sql_outside_transaction', place, message: notInTransaction(outside) });
      if (isClientCopy(node)) problems.push({ code: 'sql_copy', place, message: CLIENT_COPY });
      const change = writes(node);
      if (change !== null) asCheck.push({ code: 'check_writes', place, message: onlyReads(change) });
    }
  });
  const last = parsed.at(-1);
  const answer = typeof last === 'object' ? last.at(-1) : undefined;
  const unlike = answer === undefined ? null : noBoolean(answer);
  if (unlike !== null) {
    const place = beginningOf(statements.at(-1)!);
    // One problem for a statement is enough.
    const said = [...problems, ...inTransaction, ...asCheck].some(
      (problem) => problem.place.line === place.line && problem.place.column === place.column,
    );
    if (!said) asCheck.push({ code: 'check_no_boolean', place, message: unlike });
  }
  return { tables: tablesIn(parsed), parameters: [...parameters], problems, inTransaction, asCheck };
}

/** The parser ran out of its own memory or stack: nothing is known about the statement. */
const EXHAUSTED = /^(memory exhausted|stack depth limit|out of memory)/;

function whyNot(statement: Statement, error: unknown): [ProgramProblem, string] {
  if (!hasSqlDetails(error) || EXHAUSTED.test(error.message))
    throw new ParserExhausted(error instanceof Error ? error.message : String(error), { cause: error });
  const { message } = error;
  // Counted from 0, in characters of the text.
  const at = error.sqlDetails?.cursorPosition ?? 0;
  const place = at >= [...statement.text].length ? endOf(statement) : statement.place(at + 1);
  return [syntax(place, message), message];
}

function syntax(place: Place, message: string): ProgramProblem {
  const psql = /at or near "\\/.test(message);
  return {
    code: 'sql_syntax',
    place,
    message: {
      en: `${message}${psql ? ' (commands of psql are no SQL)' : ''}`,
      zh: `SQL 语法错误：${message}${psql ? '（psql 命令不是 SQL）' : ''}`,
    },
  };
}

/** White space and comments that stand before a statement. */
const BEFORE = /^(?:\s+|--[^\n\r]*|\/\*[\s\S]*?\*\/)*/;

const beginningOf = (statement: Statement): Place =>
  statement.place([...(BEFORE.exec(statement.text)?.[0] ?? '')].length + 1);

/** The last character that is not white space. */
const endOf = (statement: Statement): Place => statement.place([...statement.text.trimEnd()].length);

const CLIENT_COPY: Words = {
  en: 'COPY from stdin or to stdout needs a client that sends or takes the rows: an agent does neither',
  zh: 'COPY FROM STDIN / TO STDOUT 需要客户端收发数据，代理不提供',
};

const notInTransaction = (what: string): Words => ({
  en: `${what} cannot run inside the one transaction of a program: say transaction: none in the entry of the flow`,
  zh: `${what} 不能在程序的事务中执行：请在流程定义中注明 transaction: none`,
});

const onlyReads = (what: string): Words => ({
  en: `a check only reads: its transaction refuses ${what}`,
  zh: `检查只能读取：其只读事务会拒绝 ${what}`,
});

/**
 * Which tables a SQL program reads and writes, by the parser of PostgreSQL itself (libpg-query, WebAssembly; loaded when it is first asked
 * for: 6 ms and 8 MB). Names are `schema.table` in lower case. Temporary tables, names of `with` queries and tables of the system are left out.
 */
import { parseSync } from 'libpg-query';
import { ProgramError } from '../../sql/program-error.ts';
import { readText } from '../../sql/statements.ts';

export interface SqlTables {
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  /** The first thing that could not be read, or why a statement could not be parsed; null: everything was read. */
  readonly unread: string | null;
}

/** `loadModule` of libpg-query must have been awaited. O(length of the text). */
export function sqlTables(sql: string): SqlTables {
  let texts: string[];
  try {
    texts = readText(sql).statements.map(({ text }) => text);
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    return { reads: [], writes: [], unread: error.message };
  }
  return tablesIn(texts.map(parsedOrWhy));
}

function parsedOrWhy(text: string): readonly Node[] | string {
  try {
    return parsedNodes(text);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The nodes of one statement's text. Throws what the parser throws. */
export const parsedNodes = (text: string): Node[] =>
  ((parseSync(text).stmts ?? []) as { stmt?: Node }[]).flatMap(({ stmt }) =>
    stmt === undefined ? [] : [stmt],
  );

/** The tables of parsed statements. A text in place of nodes says why a statement could not be parsed; the others count all the same. */
export function tablesIn(statements: readonly (readonly Node[] | string)[]): SqlTables {
  const found = new Found();
  for (const statement of statements)
    if (typeof statement === 'string') found.cannotRead(statement);
    else for (const node of statement) found.statement(node);
  return found.tables();
}

export type Node = Readonly<Record<string, unknown>>;

interface RangeVar {
  readonly schemaname?: string;
  readonly relname?: string;
  readonly relpersistence?: string;
}

/** Statements in which a table is named without being read or written. */
const NO_DATA = new Set([
  'VacuumStmt',
  'LockStmt',
  'GrantStmt',
  'IndexStmt',
  'CommentStmt',
  'AlterTableStmt',
  'DropStmt',
  'LockingClause',
  'CreateStatsStmt',
  'ReindexStmt',
  'ClusterStmt',
  'RenameStmt',
  'CreateTrigStmt',
  'RuleStmt',
]);
/** Statements whose text is another language: the parser does not see what they touch. */
const OPAQUE: Readonly<Record<string, string>> = {
  DoStmt: 'a do block',
  CallStmt: 'a call of a procedure',
  CreateFunctionStmt: 'a function',
  ExecuteStmt: 'a prepared statement',
};

class Found {
  readonly #reads = new Set<string>();
  readonly #writes = new Set<string>();
  readonly #temporary = new Set<string>();
  #unread: string | null = null;

  cannotRead(why: string): void {
    this.#unread ??= why;
  }

  tables(): SqlTables {
    const kept = (names: Set<string>): string[] =>
      [...names].filter((name) => !this.#temporary.has(name)).sort();
    return { reads: kept(this.#reads), writes: kept(this.#writes), unread: this.#unread };
  }

  statement(statement: Node): void {
    this.#visit(statement, new Set());
  }

  /** `names`: those of the `with` queries that are visible at `node`. */
  #visit(node: unknown, names: ReadonlySet<string>): void {
    if (Array.isArray(node)) {
      for (const item of node) this.#visit(item, names);
      return;
    }
    if (typeof node !== 'object' || node === null) return;
    for (const [kind, value] of Object.entries(node as Node)) this.#one(kind, value, names);
  }

  #one(kind: string, value: unknown, names: ReadonlySet<string>): void {
    if (NO_DATA.has(kind)) return;
    if (OPAQUE[kind] !== undefined) {
      this.cannotRead(OPAQUE[kind]);
      return;
    }
    const node = value as Node;
    switch (kind) {
      case 'RangeVar':
        this.#read(node as RangeVar, names);
        return;
      case 'SelectStmt': {
        const { withClause, intoClause, ...rest } = node;
        const inside = this.#with(withClause, names);
        if (intoClause !== undefined) this.#made((intoClause as Node).rel as RangeVar);
        this.#visit(rest, inside);
        return;
      }
      case 'InsertStmt':
      case 'UpdateStmt':
      case 'DeleteStmt':
      case 'MergeStmt': {
        const { relation, withClause, ...rest } = node;
        const inside = this.#with(withClause, names);
        this.#write(relation as RangeVar);
        this.#visit(rest, inside);
        return;
      }
      case 'CreateTableAsStmt':
        this.#made((node.into as Node).rel as RangeVar);
        this.#visit(node.query, names);
        return;
      case 'CreateStmt':
        // A new table has no rows, so it counts only as temporary.
        if ((node.relation as RangeVar).relpersistence === 't') this.#made(node.relation as RangeVar);
        return;
      case 'ViewStmt':
        this.#made(node.view as RangeVar);
        this.#visit(node.query, names);
        return;
      case 'RefreshMatViewStmt':
        this.#write(node.relation as RangeVar);
        return;
      case 'FuncCall':
        this.#called(node.funcname as { String?: { sval?: string } }[]);
        this.#visit(value, names);
        return;
      case 'TruncateStmt':
        for (const { RangeVar: table } of node.relations as { RangeVar: RangeVar }[]) this.#write(table);
        return;
      case 'CopyStmt':
        if (node.is_from === true) this.#write(node.relation as RangeVar);
        else if (node.relation !== undefined) this.#read(node.relation as RangeVar, names);
        this.#visit(node.query, names);
        return;
      default:
        this.#visit(value, names);
    }
  }

  /** Visits the queries of a `with` clause; answers the names that are visible behind it. */
  #with(clause: unknown, names: ReadonlySet<string>): ReadonlySet<string> {
    if (clause === undefined) return names;
    const { ctes, recursive } = clause as {
      ctes: { CommonTableExpr: { ctename: string; ctequery: unknown } }[];
      recursive?: boolean;
    };
    const inside = new Set(names);
    if (recursive === true) for (const { CommonTableExpr: it } of ctes) inside.add(it.ctename);
    for (const { CommonTableExpr: it } of ctes) {
      this.#visit(it.ctequery, inside);
      inside.add(it.ctename);
    }
    return inside;
  }

  /** A function with a schema was defined by a user and may touch any table. */
  #called(path: readonly { String?: { sval?: string } }[]): void {
    const name = path.map((entry) => entry.String?.sval ?? '');
    if (name.length > 1 && !/^(pg_catalog|sluice)$/.test(name[0]!))
      this.cannotRead(`the function ${name.join('.')}`);
  }

  #read(table: RangeVar, names: ReadonlySet<string>): void {
    if (table.schemaname === undefined && names.has(table.relname ?? '')) return;
    const name = nameOf(table);
    if (name !== null) this.#reads.add(name);
  }

  #write(table: RangeVar): void {
    const name = nameOf(table);
    if (name !== null) this.#writes.add(name);
  }

  #made(table: RangeVar): void {
    if (table.relpersistence === 't' || table.schemaname === 'pg_temp')
      this.#temporary.add((table.relname ?? '').toLowerCase());
    else this.#write(table);
  }
}

function nameOf({ schemaname, relname }: RangeVar): string | null {
  if (relname === undefined) return null;
  if (schemaname === undefined) return relname.startsWith('pg_') ? null : relname.toLowerCase();
  // `sluice` is the schema in which the engine keeps fences and control rows on platforms.
  if (/^(pg_catalog|pg_temp|information_schema|sluice)$/i.test(schemaname)) return null;
  return `${schemaname}.${relname}`.toLowerCase();
}

/**
 * Which statements a SQL program may not have, judged by their parse trees (protocol C6, D9). A program is one transaction and cannot control
 * it; a check only reads, and answers one boolean. What routines and `do` blocks do is not known before they run.
 */
import type { Node } from './sql-tables.ts';

export interface Words {
  readonly en: string;
  readonly zh: string;
}

const TRANSACTION_SETTING =
  /^(role|session_authorization|standard_conforming_strings|transaction|session characteristics|transaction_isolation|transaction_read_only|transaction_deferrable)$/;

/** How a statement interferes with the transaction, or with the settings on which its fence rests; null: it does not. */
export function transactionControl(node: Node): Words | null {
  const { TransactionStmt: control, VariableSetStmt: set, DiscardStmt: discard } = node;
  if (control !== undefined)
    return {
      en: 'a program is one transaction already and cannot control it',
      zh: '程序本身就是一个事务，不能自行控制事务',
    };
  const { kind, name } = (set ?? {}) as { kind?: string; name?: string };
  const all = kind === 'VAR_RESET_ALL' || (discard as Node | undefined)?.target === 'DISCARD_ALL';
  const setting = name?.toLowerCase().replace(/^transaction snapshot$/, 'transaction');
  if (!all && (setting === undefined || !TRANSACTION_SETTING.test(setting))) return null;
  const what = all ? 'all settings' : setting;
  return {
    en: `a program cannot change ${what}: its transaction rests on it`,
    zh: `程序不能更改 ${all ? '全部会话设置' : setting}：其事务依赖于此`,
  };
}

/** The name of a statement that PostgreSQL carries out outside of transactions only; null: it is no such statement. */
export function outsideTransaction(node: Node): string | null {
  const [kind, value] = only(node);
  const options = (value.params ?? value.options) as readonly Node[] | undefined;
  const concurrently =
    value.concurrent === true ||
    options?.some(
      (option) => (option.DefElem as { defname?: string } | undefined)?.defname === 'concurrently',
    ) === true;
  switch (kind) {
    case 'VacuumStmt':
      return value.is_vacuumcmd === true ? 'vacuum' : null;
    case 'CreatedbStmt':
      return 'create database';
    case 'DropdbStmt':
      return 'drop database';
    case 'CreateTableSpaceStmt':
      return 'create tablespace';
    case 'DropTableSpaceStmt':
      return 'drop tablespace';
    case 'AlterSystemStmt':
      return 'alter system';
    case 'IndexStmt':
      return concurrently ? 'create index concurrently' : null;
    case 'DropStmt':
      return concurrently ? 'drop index concurrently' : null;
    case 'ReindexStmt':
      return concurrently || /_(SYSTEM|DATABASE|SCHEMA)$/.test(String(value.kind)) ? 'reindex' : null;
    case 'ClusterStmt':
      return value.relation === undefined ? 'cluster' : null;
    default:
      return null;
  }
}

/** `COPY` from or to the client: an agent has nothing to send and nowhere to put it. */
export function isClientCopy(node: Node): boolean {
  const copy = node.CopyStmt as { filename?: string } | undefined;
  return copy !== undefined && copy.filename === undefined;
}

const CHANGES = new Set([
  'InsertStmt',
  'UpdateStmt',
  'DeleteStmt',
  'MergeStmt',
  'IntoClause',
  'LockingClause',
]);
const DEFINES =
  /^(Create|Alter|Drop|Define|Rename|Grant|Revoke|Truncate|Comment|Index|View|Rule|Composite|SecLabel|Reassign|ImportForeign|RefreshMatView)\w*(Stmt|As)$/;
const CHANGING_FUNCTIONS = new Set(['nextval', 'setval']);

/** The word of what a read-only transaction would refuse; null: as far as the text tells, the statement only reads. */
export function writes(node: unknown): string | null {
  if (Array.isArray(node)) return first(node, writes);
  if (typeof node !== 'object' || node === null) return null;
  return first(Object.entries(node), ([kind, value]) => {
    if (CHANGES.has(kind) || DEFINES.test(kind)) return WORDS[kind] ?? wordOf(kind);
    if (kind === 'intoClause' || kind === 'lockingClause') return WORDS[kind]!;
    if (kind === 'CopyStmt' && (value as Node).is_from === true) return 'copy from';
    if (kind === 'FuncCall') {
      const name = functionName(value as Node);
      if (CHANGING_FUNCTIONS.has(name)) return name;
    }
    return writes(value);
  });
}

const WORDS: Readonly<Record<string, string>> = {
  InsertStmt: 'insert',
  UpdateStmt: 'update',
  DeleteStmt: 'delete',
  MergeStmt: 'merge',
  intoClause: 'select into',
  IntoClause: 'select into',
  lockingClause: 'select for update',
  LockingClause: 'select for update',
};

/** The words of a kind of node: `create table as` of `CreateTableAsStmt`. */
const wordOf = (kind: string): string =>
  kind
    .replace(/Stmt$/, '')
    .replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ')
    .toLowerCase();

const NUMBERS = new Set(['count', 'sum', 'avg', 'length', 'abs', 'round', 'now', 'to_char', 'concat']);
const NOT_BOOLEAN = new Set(
  'int2 int4 int8 numeric float4 float8 text varchar bpchar date time timestamp timestamptz interval json jsonb uuid bytea'.split(
    ' ',
  ),
);
const ARITHMETIC = new Set(['+', '-', '*', '/', '%', '||']);

/** Why the last statement of a check cannot answer one boolean; null: it may. */
export function noBoolean(node: Node): Words | null {
  const [kind, value] = only(node);
  if (kind === 'ExecuteStmt' || kind === 'FetchStmt' || kind === 'CallStmt') return null;
  if (kind !== 'SelectStmt')
    return {
      en: 'the last statement of a check is a select that answers one boolean',
      zh: '检查的最后一条语句必须是返回一个布尔值的 select',
    };
  return ofSelect(value);
}

function ofSelect(select: Node): Words | null {
  if (select.larg !== undefined) return ofSelect(select.larg as Node);
  const rows = select.valuesLists as readonly { List?: { items?: readonly unknown[] } }[] | undefined;
  if (rows !== undefined) {
    const [firstRow] = rows;
    if (rows.length > 1) return several(rows.length, 'rows', '行');
    return ofColumns(firstRow?.List?.items ?? []);
  }
  const targets = (select.targetList ?? []) as readonly { ResTarget?: { val?: unknown } }[];
  return ofColumns(targets.map(({ ResTarget }) => ResTarget?.val));
}

function ofColumns(columns: readonly unknown[]): Words | null {
  if (columns.some(isStar)) return null;
  if (columns.length !== 1) return several(columns.length, 'columns', '列');
  const type = typeThatIsNone(columns[0]);
  if (type === null) return null;
  return { en: `a check answers one boolean, this is ${type}`, zh: `检查返回一个布尔值，而此处是 ${type}` };
}

const several = (n: number, en: string, zh: string): Words => ({
  en: `a check answers one boolean, these are ${n} ${en}`,
  zh: `检查返回一个布尔值，而此处有 ${n} ${zh}`,
});

const isStar = (column: unknown): boolean => JSON.stringify(column ?? null).includes('"A_Star"');

/** What an expression is, when it is certainly no boolean. */
function typeThatIsNone(expression: unknown): string | null {
  if (typeof expression !== 'object' || expression === null) return null;
  const [kind, value] = only(expression as Node);
  switch (kind) {
    case 'A_Const':
      if (value.boolval !== undefined || value.isnull === true) return null;
      return value.sval === undefined && value.bsval === undefined ? 'a number' : 'a text';
    case 'TypeCast': {
      const names = (value.typeName as { names?: readonly { String?: { sval?: string } }[] } | undefined)
        ?.names;
      const name = names?.at(-1)?.String?.sval ?? '';
      return NOT_BOOLEAN.has(name) ? name : null;
    }
    case 'FuncCall': {
      const name = functionName(value);
      return NUMBERS.has(name) ? `${name}()` : null;
    }
    case 'A_Expr': {
      const name = (value.name as readonly { String?: { sval?: string } }[] | undefined)?.at(-1)?.String
        ?.sval;
      return value.kind === 'AEXPR_OP' && ARITHMETIC.has(name ?? '') ? `the result of '${name}'` : null;
    }
    default:
      return null;
  }
}

/** A built-in function's name; '' for those with a schema, which may be anybody's. */
function functionName(call: Node): string {
  const path = (call.funcname ?? []) as readonly { String?: { sval?: string } }[];
  return path.length === 1 || path[0]?.String?.sval === 'pg_catalog' ? (path.at(-1)?.String?.sval ?? '') : '';
}

const only = (node: Node): [kind: string, value: Node] => {
  const [entry] = Object.entries(node);
  return entry === undefined ? ['', {}] : [entry[0], (entry[1] ?? {}) as Node];
};

function first<T>(items: readonly T[], find: (item: T) => string | null): string | null {
  for (const item of items) {
    const found = find(item);
    if (found !== null) return found;
  }
  return null;
}

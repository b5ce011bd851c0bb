/** What the text of a SQL program says by itself: every code with its place, and what must stay silent. */
import { loadModule } from 'libpg-query';
import { beforeAll, expect, test } from 'vitest';
import { factsOf, type ProgramProblem } from '../../../services/programs/program-facts.ts';

beforeAll(() => loadModule());

const shown = (problems: readonly ProgramProblem[]) =>
  problems.map(({ code, place: { line, column } }) => `${code} ${line}:${column}`);

type Row = [name: string, given: string, want: string[]];

const PROBLEMS: Row[] = [
  ['sound', 'insert into a select :period, 1 from b where x between 1 and 2;', []],
  ['a misspelt word', 'select 1;\n  selec 2;\n', ['sql_syntax 2:3']],
  ['an error behind Chinese text and a parameter', "select '中文', :p from\n a whre x", ['sql_syntax 2:9']],
  ['an error behind characters of two UTF-16 units', "select '𠮷𠮷' from a whre x", ['sql_syntax 1:25']],
  ['an error of every statement', 'selec 1;\nselect 2;\nupdat a;', ['sql_syntax 1:1', 'sql_syntax 3:1']],
  ['an end too early', 'select 1;\nselect 1 from', ['sql_syntax 2:13']],
  ['a quote that never ends', "select 1;\nselect 'a\n;", ['sql_syntax 2:8']],
  ['a comment that never ends', 'select 1; /* x', ['sql_syntax 1:11']],
  ['a command of psql', '\\set x 1\nselect 1', ['sql_syntax 1:1']],
  ['empty', '', ['sql_empty 1:1']],
  ['only comments', '-- nothing\n/* here */ ;;\n', ['sql_empty 1:1']],
  ['copy from the client', 'select 1;\ncopy a from stdin', ['sql_copy 2:1']],
  ['copy to the client', 'copy (select 1) to stdout', ['sql_copy 1:1']],
  ['copy of a file of the server', "copy a from '/data/x'", []],
  ['slices and casts are no parameters', "select a[1:2], '1'::int, b[x:y]", []],
  ['a parameter as a table is an error', 'select * from :name', ['sql_syntax 1:15']],
  [
    'a routine whose body has statements',
    'create function f(begin int) returns int begin atomic select 1; end; select 1',
    [],
  ],
  ['a do block', 'do $$ begin commit; end $$', []],
];

test.each(PROBLEMS)('%s', (_, given, want) => {
  expect(shown(factsOf(given).problems)).toEqual(want);
});

const IN_TRANSACTION: Row[] = [
  [
    'commit between statements',
    'insert into a values (1); /* so */ commit; select 1',
    ['sql_transaction 1:36'],
  ],
  ...[
    'begin',
    'start transaction',
    'end',
    'rollback',
    'abort',
    'savepoint s',
    'release s',
    "prepare transaction 'x'",
    "commit prepared 'x'",
  ].map((text): Row => [text, `select 1;\n${text}`, ['sql_transaction 2:1']]),
  ...[
    'set role x',
    'set local session authorization x',
    'reset role',
    'reset all',
    'discard all',
    'set transaction read write',
    'set standard_conforming_strings = off',
    'set session characteristics as transaction read write',
    'set transaction_read_only = off',
  ].map((text): Row => [text, text, ['sql_transaction 1:1']]),
  [
    'settings of its own',
    "set local work_mem = '1GB'; set search_path = a; reset work_mem; set constraints all deferred",
    [],
  ],
  ...[
    'vacuum a',
    'create database x',
    'drop database x',
    'alter system set a = 1',
    'create index concurrently i on a (b)',
    'drop index concurrently i',
    'reindex (concurrently) table a',
    'reindex database x',
    'cluster',
  ].map((text): Row => [text, `select 1;\n ${text}`, ['sql_outside_transaction 2:2']]),
  [
    'what runs in a transaction',
    'analyze a; create index i on a (b); reindex table a; cluster a using i; truncate a; drop table a',
    [],
  ],
  ['control inside texts', "do $$ begin commit; end $$; select 'commit'; call p()", []],
];

test.each(IN_TRANSACTION)('in a transaction: %s', (_, given, want) => {
  expect(shown(factsOf(given).inTransaction)).toEqual(want);
});

const AS_CHECK: Row[] = [
  ['one boolean', 'select count(*) > 0 from a where p = :period', []],
  ['exists', 'select exists (select 1 from a)', []],
  ['null counts as false', 'select null', []],
  ['a constant', 'values (true)', []],
  ['what only the database knows', 'select f(x), 1 from a limit 0; select b from a; select * from a', []],
  ['a with query', 'with x as (select 1) select true from x', []],
  ['a setting first', "set local work_mem = '1GB'; select true", []],
  ['a number', 'select 1', ['check_no_boolean 1:1']],
  ['a count', 'select count(*) from a', ['check_no_boolean 1:1']],
  ['a text', "select 't'", ['check_no_boolean 1:1']],
  ['a cast', 'select x::int from a', ['check_no_boolean 1:1']],
  ['a sum', 'select a + b from c', ['check_no_boolean 1:1']],
  ['two columns', 'select true, false', ['check_no_boolean 1:1']],
  ['no column', 'select from a', ['check_no_boolean 1:1']],
  ['two rows', 'values (true), (false)', ['check_no_boolean 1:1']],
  ['the first side of a union', 'select 1 union select 2', ['check_no_boolean 1:1']],
  ['no select at the end', 'select true;\nshow work_mem', ['check_no_boolean 2:1']],
  ['an insert', 'insert into a values (1); select true', ['check_writes 1:1']],
  [
    'an update inside with',
    'with x as (update a set b = 1 returning b) select true from x',
    ['check_writes 1:1'],
  ],
  ['into', 'select 1 into b; select true', ['check_writes 1:1']],
  ['a lock of rows', 'select a from b for update; select true', ['check_writes 1:1']],
  ['a sequence', "select nextval('s') > 0", ['check_writes 1:1']],
  ...[
    'create table a (b int)',
    'create temp table a as select 1',
    'drop table a',
    'truncate a',
    'alter table a add b int',
    'grant select on a to b',
    'create view v as select 1',
    'refresh materialized view v',
    "comment on table a is 'x'",
    "copy a from '/x'",
    'merge into a using b on true when matched then delete',
  ].map((text): Row => [text, `select 1;\n${text};\nselect true`, ['check_writes 2:1']]),
];

test.each(AS_CHECK)('as a check: %s', (_, given, want) => {
  expect(shown(factsOf(given).asCheck)).toEqual(want);
});

test('each parameter is named once, where it first stands', () => {
  const { parameters } = factsOf("-- :no\nselect ':no', :a,\n :b::date + :a");
  expect(parameters).toEqual([
    ['a', { line: 2, column: 15 }],
    ['b', { line: 3, column: 2 }],
  ]);
});

/** Tables of SQL programs, by PostgreSQL's own parser: what counts as read, as written, and as neither. */
import { loadModule } from 'libpg-query';
import { beforeAll, expect, test } from 'vitest';
import { sqlTables } from '../../../services/programs/sql-tables.ts';

beforeAll(() => loadModule());

const A_TO_B = { reads: ['s.a'], writes: ['s.b'], unread: null };

test.each<[string, string, Partial<ReturnType<typeof sqlTables>>]>([
  ['insert select', 'insert into s.b select * from s.a', A_TO_B],
  ['names in another case', 'INSERT INTO S.B SELECT * FROM s.A', A_TO_B],
  ['quoted names', 'insert into s."B" select * from "S"."a"', A_TO_B],
  ['create table as', 'create table s.b as select * from s.a', A_TO_B],
  ['select into', 'select * into s.b from s.a', A_TO_B],
  ['update from', 'update s.b set x = a.x from s.a a where a.id = b.id', A_TO_B],
  ['delete using', 'delete from s.b using s.a where a.id = b.id', A_TO_B],
  ['merge', 'merge into s.b using s.a on a.id = b.id when matched then delete', A_TO_B],
  ['truncate', 'truncate s.b, s.c', { reads: [], writes: ['s.b', 's.c'] }],
  ['a view', 'create or replace view s.b as select * from s.a', A_TO_B],
  ['copy', 'copy s.b from stdin; copy s.a to stdout', A_TO_B],
  ['copy of a query', "copy (select * from s.a) to '/x'", { reads: ['s.a'], writes: [] }],
  ['a table read and written', 'insert into s.b select * from s.b', { reads: ['s.b'], writes: ['s.b'] }],
  ['a subquery in a condition', 'delete from s.b where id in (select id from s.a)', A_TO_B],
  ['a subquery in an expression', 'insert into s.b values ((select max(id) from s.a))', A_TO_B],
  [
    'a lateral join',
    'insert into s.b select * from s.a, lateral (select * from s.c where c.id = a.id) x',
    { reads: ['s.a', 's.c'] },
  ],
  ['a union', 'insert into s.b select * from s.a union all select * from s.c', { reads: ['s.a', 's.c'] }],
  ['with: its name is no table', 'with x as (select * from s.a) insert into s.b select * from x', A_TO_B],
  [
    'with of a with',
    'with x as (select * from s.a), y as (select * from x) insert into s.b select * from y',
    A_TO_B,
  ],
  [
    'with recursive',
    'with recursive x as (select 1 union select * from x join s.a on true) insert into s.b select * from x',
    A_TO_B,
  ],
  [
    'a name of with ends with its statement',
    'with x as (select 1) select * from x; insert into s.b select * from x',
    { reads: ['x'] },
  ],
  [
    'a table that is called as a with query, in a schema',
    'with a as (select * from s.a) insert into s.b select * from a',
    A_TO_B,
  ],
  [
    'a with query that writes',
    'with x as (delete from s.b returning *) select * from x join s.a on true',
    A_TO_B,
  ],
  ['a temporary table', 'create temp table t as select * from s.a; insert into s.b select * from t', A_TO_B],
  [
    'a temporary table with columns',
    'create temporary table t (x int); insert into t select x from s.a; insert into s.b select * from t',
    A_TO_B,
  ],
  [
    'a temporary table by its schema',
    'create temp table t as select * from s.a; insert into s.b select * from pg_temp.t',
    A_TO_B,
  ],
  ['a temporary view', 'create temp view v as select * from s.a; insert into s.b select * from v', A_TO_B],
  [
    'a view that keeps its rows',
    'create materialized view s.b as select * from s.a; refresh materialized view s.b',
    A_TO_B,
  ],
  ['locked rows', 'insert into s.b select * from s.a x for update of x', A_TO_B],
  [
    'functions of the system',
    "insert into s.b select pg_catalog.lower(x), sluice_require(true, 'x') from s.a",
    A_TO_B,
  ],
  [
    'a function of the user',
    'insert into s.b select * from s.a, s.f(1)',
    { ...A_TO_B, unread: 'the function s.f' },
  ],
  [
    'parameters',
    "insert into s.b select :period, x::text, 'a:b', y[1:2] from s.a where m = :month -- :no",
    A_TO_B,
  ],
  ['parameters behind letters of several bytes', "insert into s.b select '月初' || :period from s.a", A_TO_B],
  ['statistics and locks', 'analyze s.c; lock table s.c; create index on s.c (x)', { reads: [], writes: [] }],
  [
    'catalogues of the system',
    'select * from pg_class, information_schema.tables, pg_catalog.pg_proc',
    { reads: [] },
  ],
  ['what the engine keeps itself', 'select * from sluice.disp_import_ctl', { reads: [] }],
  ['nothing', '-- only a comment', { reads: [], writes: [], unread: null }],
  [
    'a do block',
    'insert into s.b select * from s.a; do $$ begin delete from s.c; end $$',
    { ...A_TO_B, unread: 'a do block' },
  ],
  ['a procedure', 'call s.p()', { reads: [], writes: [], unread: 'a call of a procedure' }],
])('%s', (_name, sql, want) => {
  expect(sqlTables(sql)).toMatchObject(want);
});

test('of a program that cannot be parsed the statements that can be are read, and why the others cannot is said', () => {
  const found = sqlTables('insert into s.b select * from s.a; selekt 1; truncate s.c');
  expect(found).toMatchObject({ reads: ['s.a'], writes: ['s.b', 's.c'] });
  expect(found.unread).toContain('syntax error');
  expect(sqlTables("select 'never ends").unread).not.toBe(null);
});

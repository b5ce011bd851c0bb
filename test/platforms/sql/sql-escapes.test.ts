/** A SQL program stays in the transaction that took its fence (protocol C6): what got out, and the kind of it. */
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createSqlPlatform } from '../../../platforms/sql/sql.ts';
import { createEmptyDatabase } from '../../support/database.ts';
import { contextOf, sqlSpec, type TaskOptions, taskOf } from '../task.ts';

const { url } = await createEmptyDatabase('escapes');
const platform = createSqlPlatform({ connections: { yt: url }, defaultConnection: 'yt' });
const db = new pg.Client(url);

beforeAll(async () => {
  await db.connect();
  await db.query('create role escapes_other nologin');
});
afterAll(async () => {
  await db.query('drop role escapes_other');
  await db.end();
});
beforeEach(async () => {
  await db.query(`drop schema if exists sluice cascade; drop schema if exists public cascade; create schema public;
    create table t (n int);
    create procedure commits(n int) language plpgsql as $$ begin insert into t values (n); commit; insert into t values (n); end $$`);
});

let epoch = 0;
const run = (sql: string, options: TaskOptions = {}, context = contextOf()) =>
  platform.execute(taskOf(sqlSpec(sql), { epoch: ++epoch, ...options }), context);
const check = (sql: string) => platform.execute(taskOf(sqlSpec(sql, true)), contextOf());
const rows = async () => Number((await db.query('select count(*) from t')).rows[0].count);

describe('a program that would leave its transaction', () => {
  const refused: [string, string, RegExp][] = [
    [
      'behind a quote that another setting would end',
      "set standard_conforming_strings = off; insert into t values (1); select 'a\\'; commit; insert into t values (2); --'",
      /one transaction/,
    ],
    [
      'behind a routine with a parameter named begin',
      'create function f(begin int) returns int language sql as $$ select 1 $$; commit; insert into t values (1)',
      /"commit".*one transaction/,
    ],
    ['behind a carriage return', '-- x\rcommit', /one transaction/],
    [
      'behind a string that goes on in the next line',
      "select e'a'\n'b\\''; insert into t values (1); commit; --'",
      /one transaction/,
    ],
    [
      'with strings read in another way',
      'set standard_conforming_strings = off',
      /standard_conforming_strings/,
    ],
    [
      'with strings read in another way by a function',
      "select set_config('standard_conforming_strings', 'off', false)",
      /standard_conforming_strings/,
    ],
    ['in a block', 'do $$ begin insert into t values (1); commit; end $$', /transaction: none/],
    ['in a procedure', 'call commits(1)', /transaction: none/],
    ['as a prepared one', "prepare transaction 'x'", /one transaction/],
    ['by chaining', '/* a */ commit and chain', /one transaction/],
    ['by a vacuum', 'vacuum t', /transaction: none/],
    ['as another role', 'set role escapes_other', /changed role/],
    ['as another role, by a function', "select set_config('role', 'escapes_other', true)", /changed role/],
    ['as another user', 'set session authorization escapes_other', /changed (role|session authorization)/],
    ['without its name', "set application_name = ''", /application_name/],
    ['without what ends a frozen one', 'set idle_in_transaction_session_timeout = 0', /idle_in_transaction/],
    ['with what ends a frozen one reset', 'reset all', /changed/],
    ['as one that only reads', 'set transaction read only', /changed transaction_read_only/],
    ['with another encoding', "set client_encoding = 'LATIN1'", /client_encoding/],
    ['with everything discarded', 'discard all', /transaction/],
  ];
  it.each(refused)('is refused %s', async (_, sql, message) => {
    const ending = await run(`insert into t values (0); ${sql}; insert into t values (9);`);
    expect(ending).toMatchObject({
      outcome: 'failed',
      kind: 'program',
      message: expect.stringMatching(message),
    });
    expect(await rows()).toBe(0);
  });

  it('is refused when a statement hides another from us: the server takes one at a time', async () => {
    const name = 'f_begin';
    const text = `create function ${name}() returns int begin atomic select 1 as "x"; select 2; end; insert into t values (1)`;
    expect(await run(text)).toMatchObject({ outcome: 'succeeded' });
    expect(await rows()).toBe(1);
  });

  it('does not touch its own fence', async () => {
    const ending = await run('insert into t values (1); delete from sluice.sluice_work');
    expect(ending).toMatchObject({
      outcome: 'failed',
      kind: 'program',
      message: expect.stringMatching(/sluice_work/),
    });
    expect(await rows()).toBe(0);
  });

  it.each([
    'copy t from stdin',
    'copy t (n) from stdin with (format csv)',
    'COPY t FROM /* x */ STDIN',
    'copy t to stdout',
    'copy (select n from t) to stdout',
  ])('and one that wants data of the client is its own failure: %s', async (sql) => {
    expect(await run(`insert into t values (1); ${sql}`)).toMatchObject({
      outcome: 'failed',
      kind: 'program',
      message: expect.stringMatching(/no data to send/),
    });
    expect(await rows()).toBe(0);
  });

  it('is left alone with settings of its own', async () => {
    const sql = `set local search_path = pg_catalog, public; set local statement_timeout = '1min';
      create temp table x (n int) on commit drop; insert into public.t select 1; select ':a', $$;$$, e'\\'' `;
    expect(await run(sql)).toMatchObject({ outcome: 'succeeded', rows: 1 });
    expect(await rows()).toBe(1);
  });
});

describe('a check', () => {
  it.each([
    'set transaction read write; insert into t values (1); select true',
    "select set_config('transaction_read_only', 'off', true); insert into t values (1); select true",
    'set transaction_read_only = off; insert into t values (1); select true',
    'call commits(1); select true',
    'commit; insert into t values (1); select true',
    'do $$ begin commit; insert into t values (1); end $$; select true',
    'rollback; insert into t values (1); select true',
  ])('does not write: %s', async (sql) => {
    expect(await check(sql)).toMatchObject({ outcome: 'failed' });
    expect(await rows()).toBe(0);
  });

  it('runs under the role that may only read, where the agent has one', async () => {
    await db.query(
      "create role escapes_reader login password 'x'; grant usage on schema public to escapes_reader; grant select on t to escapes_reader",
    );
    try {
      const reader = new URL(url);
      reader.username = 'escapes_reader';
      reader.password = 'x';
      const both = createSqlPlatform({
        connections: { yt: url, 'yt.check': reader.toString() },
        defaultConnection: 'yt',
      });
      const ask = (sql: string, isCheck: boolean) =>
        both.execute(taskOf(sqlSpec(sql, isCheck), { epoch: ++epoch }), contextOf());
      expect(await ask("select current_user = 'escapes_reader' and count(*) = 0 from t", true)).toEqual({
        outcome: 'succeeded',
      });
      expect(await ask("select 1 / (current_user <> 'escapes_reader')::int", false)).toMatchObject({
        outcome: 'succeeded',
      });
    } finally {
      await db.query('drop owned by escapes_reader; drop role escapes_reader');
    }
  });
});

describe('transaction: none', () => {
  const without = (sql: string, options: TaskOptions = {}, context = contextOf()) =>
    platform.execute(
      taskOf(
        { type: 'sql', sql, check: false, transaction: 'none' },
        { epoch: ++epoch, ...options, fenced: false },
      ),
      context,
    );
  const fence = async () => (await db.query('select epoch, done from sluice.sluice_work')).rows;

  it('runs what cannot stand in a transaction, and leaves its row done', async () => {
    expect(await without('call commits(1); vacuum analyze t; insert into t values (3)')).toEqual({
      outcome: 'succeeded',
      rows: 1,
    });
    expect(await rows()).toBe(3);
    expect(await fence()).toEqual([{ epoch: String(epoch), done: true }]);
  });

  it('a failure names the last statement that has finished', async () => {
    const ending = await without(
      'insert into t values (1);\ninsert into t values (2);\nselect 1/0;\nvacuum t',
    );
    expect(ending).toMatchObject({
      outcome: 'failed',
      kind: 'program',
      message: expect.stringMatching(/2 of 4 statements had finished, the last: insert into t values \(2\)/),
    });
    expect(await rows()).toBe(2);
    expect(await fence()).toMatchObject([{ done: false }]);
  });

  it('is lost when its backend ends in the middle, and failed before the first', async () => {
    const sql = `insert into t values (1); select pg_terminate_backend(pg_backend_pid())`;
    const said: string[] = [];
    const reached = (howFar: string) => void said.push(howFar);
    const ending = await without(sql, {}, { ...contextOf(), reached });
    const howFar =
      'statement 2 of 2 was reached: select pg_terminate_backend(pg_backend_pid()); 1 of 2 statements had finished, ' +
      'the last: insert into t values (1); without a transaction, what has finished is committed and stays';
    expect(ending).toMatchObject({ outcome: 'lost', message: expect.stringContaining(`${howFar}\n`) });
    expect(said).toEqual([expect.stringMatching(/^statement 1 of 2 .*none of 2 statements/), howFar]);
    expect(await without('select pg_terminate_backend(pg_backend_pid())')).toMatchObject({
      outcome: 'failed',
      kind: 'infrastructure',
    });
  });

  it("is not executed again when this generation's own attempt has finished", async () => {
    await without('call commits(1)');
    const own = [epoch];
    expect(await without('call commits(1)', { own })).toEqual({ outcome: 'succeeded', already: true });
    expect(await rows()).toBe(2);
    expect(await without('call commits(1)', { generation: 2 })).toMatchObject({ outcome: 'succeeded' });
    expect(await rows()).toBe(4);
  });

  it('waits for another record, and ends the backend of an own attempt that is over', async () => {
    const first = without('call commits(1); select pg_sleep(60)');
    const firstEpoch = epoch;
    await expect.poll(rows, { interval: 20 }).toBe(2);
    const second = await without('call commits(2)', { unended: [firstEpoch] });
    expect(second).toMatchObject({ outcome: 'succeeded' });
    expect(await first).toMatchObject({
      outcome: 'lost',
      message: expect.stringMatching(/1 of 2 statements/),
    });
    expect(await rows()).toBe(4);
  });

  it('cannot leave a transaction open or change its role', async () => {
    expect(await without('begin; insert into t values (1)')).toMatchObject({
      outcome: 'failed',
      kind: 'program',
    });
    expect(await without('set role escapes_other; insert into t values (1)')).toMatchObject({
      kind: 'program',
    });
    expect(await rows()).toBe(0);
  });
});

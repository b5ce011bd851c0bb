import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Task } from '../../../contract/agent.ts';
import { ensurePlatformSchema } from '../../../platforms/sql/fence.ts';
import { applicationName, epochIn } from '../../../platforms/sql/session.ts';
import { createSqlPlatform } from '../../../platforms/sql/sql.ts';
import { createEmptyDatabase } from '../../support/database.ts';
import { contextOf, sqlSpec, type TaskOptions, taskOf, workKey } from '../task.ts';

const { url } = await createEmptyDatabase('yt');
const platform = createSqlPlatform({ connections: { yt: url }, defaultConnection: 'yt' });
const db = new pg.Client(url);

beforeAll(async () => {
  await db.connect();
});
afterAll(async () => {
  await db.end();
});
beforeEach(async () => {
  await db.query(`drop schema if exists sluice cascade; drop table if exists bills;
    create table bills (period text, n int, note text)`);
});

/** Takes the fence as an attempt would. */
const HELD = `insert into sluice.sluice_work values ('${workKey('Flow')}', 1, 'record-1', 'month-2026-10', 'Flow', 1, false)`;
const REPLACE = `
delete from bills where period = :period;
insert into bills (period, n) select :period, n from generate_series(1, 5) as n;
`;
const run = (sql: string, options: TaskOptions = {}, context = contextOf()) =>
  platform.execute(taskOf(sqlSpec(sql), options), context);
const count = async () => Number((await db.query('select count(*) from bills')).rows[0].count);
const fenceRow = async () => (await db.query('select * from sluice.sluice_work')).rows[0];

/** Resolves when a backend of that epoch is in the state that `condition` describes. */
async function backendOf(epoch: number, condition: string): Promise<void> {
  const name = applicationName(taskOf(sqlSpec(''), { epoch }));
  for (;;) {
    const { rowCount } = await db.query(
      `select from pg_stat_activity where application_name = $1 and ${condition}`,
      [name],
    );
    if (rowCount === 1) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('a SQL program', () => {
  it('commits its effects and the fence together, and logs statements, rows and notices', async () => {
    const context = contextOf();
    const ending = await run(`${REPLACE} do $$ begin raise notice 'five rows'; end $$;`, {}, context);
    expect(ending).toEqual({ outcome: 'succeeded', rows: 5 });
    expect(await count()).toBe(5);
    expect(await fenceRow()).toMatchObject({
      work: workKey('Flow'),
      readable: 'Flow 202610',
      epoch: '1',
      done: true,
      record: 'record-1',
      run: 'month-2026-10',
      flow: 'Flow',
      generation: 1,
      replaced: null,
    });
    expect(context.text()).toMatch(/insert into bills.*\n-- INSERT 5 rows, \d+ ms\n/);
    expect(context.text()).toContain('NOTICE: five rows');
  });

  it('has the zone of its task, whatever the role says, so that the night belongs to the day of the calendar', async () => {
    const night = "(timestamptz '2026-11-30 02:10+08')::date::text";
    const text = `insert into bills select current_setting('TimeZone'), 1, ${night}`;
    const check = sqlSpec(`select ${night} = '2026-11-30'`, true);
    const { current_user: role } = (await db.query('select current_user')).rows[0];
    await db.query(`alter role ${role} in database ${new URL(url).pathname.slice(1)} set timezone = 'UTC'`);
    for (const [epoch, timeZone] of ['Asia/Shanghai', 'Europe/Berlin', '<+0800>-08:00'].entries())
      expect(await run(text, { epoch: epoch + 1, generation: epoch + 1, timeZone })).toMatchObject({
        outcome: 'succeeded',
      });
    expect((await db.query('select period, note from bills')).rows).toEqual([
      { period: 'Asia/Shanghai', note: '2026-11-30' },
      { period: 'Europe/Berlin', note: '2026-11-29' },
      { period: '<+0800>-08:00', note: '2026-11-30' },
    ]);
    expect(await platform.execute(taskOf(check), contextOf())).toEqual({ outcome: 'succeeded' });
    const away = { timeZone: 'Europe/Berlin' };
    expect(await platform.execute(taskOf(check, away), contextOf())).toEqual({ outcome: 'false' });
    expect(await run(text, { epoch: 9, timeZone: 'Asia/Shangai' })).toMatchObject({
      outcome: 'failed',
      message: expect.stringContaining('Asia/Shangai'),
    });
  });

  it('leaves nothing behind when it fails, and names line and column', async () => {
    const ending = await run(`${REPLACE}select\n  nonsense from bills;`);
    expect(ending).toMatchObject({ outcome: 'failed', kind: 'program' });
    expect(ending).toHaveProperty(
      'message',
      expect.stringMatching(/"nonsense" does not exist.*\n.*line 5, column 3/),
    );
    expect(await count()).toBe(0);
    expect(await fenceRow()).toBeUndefined();
  });

  it.each(['commit', 'rollback', 'savepoint a', "prepare transaction 'a'", '-- x\nBEGIN', 'end'])(
    'cannot control its own transaction: %s',
    async (statement) => {
      const ending = await run(`${REPLACE}${statement};`);
      expect(ending).toMatchObject({
        outcome: 'failed',
        kind: 'program',
        message: expect.stringContaining('one transaction'),
      });
      expect(await count()).toBe(0);
    },
  );

  it('does not count selected rows as changed ones', async () => {
    expect(await run(`${REPLACE}select * from generate_series(1, 10000);`)).toEqual({
      outcome: 'succeeded',
      rows: 5,
    });
  });

  it('gets hostile parameter values byte for byte', async () => {
    const values = [
      "'; drop table bills; --",
      '\\',
      '$$',
      ':period',
      '"',
      '国\u0301\u{20000}',
      '\t\n\r\u0001',
      '$1',
      "\\'",
    ];
    for (const [index, value] of values.entries()) {
      const parameters = { value, period: '202610' };
      const ending = await run('insert into bills values (:period, 1, :value)', {
        epoch: index + 1,
        generation: index + 1,
        parameters,
      });
      expect(ending).toMatchObject({ outcome: 'succeeded', rows: 1 });
    }
    const { rows } = await db.query('select note from bills');
    expect(rows.map((row) => row.note).sort()).toEqual([...values].sort());
  });

  it('fails with kind timeout, and its effects are rolled back', async () => {
    const ending = await run(`${REPLACE}select pg_sleep(60);`, { timeoutMs: 100 });
    expect(ending).toEqual({ outcome: 'failed', kind: 'timeout', message: 'timed out after 100 ms' });
    expect(await count()).toBe(0);
  });

  it('is cancelled from a second connection', async () => {
    const context = contextOf();
    const ending = run(`${REPLACE}select pg_sleep(60);`, {}, context);
    await backendOf(1, "query like '%pg_sleep%' and state = 'active'");
    context.controller.abort('cancel');
    expect(await ending).toEqual({ outcome: 'cancelled', effect: false });
    expect(await count()).toBe(0);
  });

  it('is an infrastructure failure when the platform ends its backend', async () => {
    const ending = run('select pg_sleep(60);');
    await backendOf(1, "query like '%pg_sleep%' and state = 'active'");
    await db.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like 'sluice e1 %'",
    );
    expect(await ending).toMatchObject({ outcome: 'failed', kind: 'infrastructure' });
  });

  it('is an infrastructure failure when nobody listens there', async () => {
    const away = createSqlPlatform({
      connections: { yt: 'postgresql://u@127.0.0.1:1/none' },
      defaultConnection: 'yt',
    });
    const ending = await away.execute(taskOf(sqlSpec('select 1')), contextOf());
    expect(ending).toMatchObject({
      outcome: 'failed',
      kind: 'infrastructure',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it('is an infrastructure failure when another session makes the same object at that moment', async () => {
    const other = new pg.Client(url);
    await other.connect();
    const made: [make: string, drop: string][] = [
      ['create schema if not exists twice', 'drop schema twice'],
      ['create table if not exists twice (n int)', 'drop table twice'],
      ['-- makes it\ncreate sequence if not exists twice', 'drop sequence twice'],
    ];
    for (const [index, [make, drop]] of made.entries()) {
      await other.query('begin');
      await other.query(make);
      const epoch = 2 * index + 1;
      const ending = run(make, { epoch, generation: epoch });
      await backendOf(epoch, "wait_event_type = 'Lock'");
      await other.query('commit');
      const said = expect.stringContaining('another session created the same object at the same moment');
      expect(await ending).toEqual({ outcome: 'failed', kind: 'infrastructure', message: said });
      const later = await run(make, { epoch: epoch + 1, generation: epoch });
      expect(later).toMatchObject({ outcome: 'succeeded' });
      await other.query(drop);
    }
    await other.end();
  });

  it('is a program failure when the object has been there all the time, or the key is one of its own', async () => {
    const key = 'create temp table keys (n int primary key); insert into keys values (1), (1)';
    for (const [index, text] of ['create table public.bills (n int)', key].entries())
      expect([text, await run(text, { epoch: index + 1 })]).toMatchObject([
        text,
        { outcome: 'failed', kind: 'program' },
      ]);
  });

  it('is refused by name when the agent lacks its connection', async () => {
    const task = taskOf({ type: 'sql', sql: 'select 1', connection: 'mpp', check: false });
    const ending = await platform.execute(task, contextOf());
    expect(ending).toMatchObject({
      kind: 'program',
      message: 'this agent has no connection mpp (it has: yt)',
    });
    expect(JSON.stringify(ending)).not.toContain('postgresql://');
  });
});

describe('the fence (protocol C6)', () => {
  it('refuses an older epoch after a newer one, without effect', async () => {
    await run(REPLACE, { epoch: 7, generation: 2 });
    const ending = await run(REPLACE, { epoch: 6, generation: 1 });
    expect(ending).toMatchObject({ outcome: 'cancelled', effect: false, stale: true });
    expect(ending).toHaveProperty('message', expect.stringContaining('epoch 7'));
    expect(await fenceRow()).toMatchObject({ epoch: '7', generation: 2, done: true });
  });

  it("takes done for its own when its record has the epoch among the flow's attempts: success without executing", async () => {
    await run(REPLACE, { epoch: 1 });
    await db.query('delete from bills');
    const second = await run(REPLACE, { epoch: 2, attempt: 2, own: [1] });
    expect(second).toEqual({ outcome: 'succeeded', already: true });
    expect(await count()).toBe(0);
    expect(await fenceRow()).toMatchObject({ epoch: '1', done: true });
  });

  it('executes over any other done, of the same run, flow and generation too, and says whose it was', async () => {
    await run(REPLACE, { epoch: 1, record: 'record-0' });
    await db.query('delete from bills');
    const context = contextOf();
    const ending = await run(REPLACE, { epoch: 2, attempt: 2, own: [] }, context);
    expect(ending).toEqual({
      outcome: 'succeeded',
      rows: 5,
      over: {
        epoch: 1,
        record: 'record-0',
        run: 'month-2026-10',
        flow: 'Flow',
        generation: 1,
        at: expect.stringMatching(/^20[\d-]+T[\d:.]+\+08:00$/),
      },
    });
    // In the zone of the program, as all that it writes.
    expect(context.text()).toMatch(
      /executed over the effect of epoch 1 of record record-0: month-2026-10 Flow, generation 1, 20[\d-]+ [\d:]{8}\+08\n/,
    );
    expect(await count()).toBe(5);
    expect(await fenceRow()).toMatchObject({ epoch: '2', done: true, replaced: { epoch: 1, done: true } });
  });

  it('is one row for each work: other parameters of the same file are other works', async () => {
    const works = ['BJ', 'SH', 'GZ'].map((region) => ({
      work: workKey(`load ${region}`),
      parameters: { region },
    }));
    const load = 'insert into bills values (:period, 1, :region)';
    for (const [i, options] of works.entries())
      expect(await run(load, { ...options, epoch: i + 1 })).toEqual({ outcome: 'succeeded', rows: 1 });
    expect(await count()).toBe(3);
  });

  it('holds the works of earlier attempts too, before the run adopted another version', async () => {
    await run(REPLACE, { epoch: 1, work: workKey('old') });
    await db.query('delete from bills');
    const second = { epoch: 2, attempt: 2, work: workKey('new'), works: [workKey('old')] };
    expect(await run(REPLACE, { ...second, own: [1] })).toEqual({ outcome: 'succeeded', already: true });
    expect(await run(REPLACE, { ...second, epoch: 3, generation: 2 })).toEqual({
      outcome: 'succeeded',
      rows: 5,
    });
    const late = await run(REPLACE, { epoch: 2, work: workKey('old') });
    expect(late).toMatchObject({ outcome: 'cancelled', stale: true, heldBy: { epoch: 3 } });
  });

  describe('of before there were works', () => {
    const NEW = 1_796_000_000_000_000;
    const old = (epoch: number, generation = 1) =>
      db.query('insert into sluice.sluice_fence values ($1, $2, $3, $4, $5, true)', [
        'Flow',
        '202610',
        epoch,
        'month-2026-10',
        generation,
      ]);
    beforeEach(() => ensurePlatformSchema(db));

    it("counts for this record's own attempts of that time only", async () => {
      await old(900_000_000);
      expect(await run(REPLACE, { epoch: NEW })).toEqual({ outcome: 'succeeded', rows: 5 });
      await db.query('truncate sluice.sluice_fence, sluice.sluice_work');
      await old(41);
      const again = await run(REPLACE, { epoch: NEW + 1, attempt: 2, own: [41] });
      expect(again).toEqual({ outcome: 'succeeded', already: true });
      await db.query('truncate sluice.sluice_fence, sluice.sluice_work');
      await old(41);
      const other = await run(REPLACE, { epoch: NEW + 2, attempt: 2, own: [42] });
      expect(other).toEqual({ outcome: 'succeeded', rows: 5 });
      const row = (await db.query('select epoch from sluice.sluice_fence')).rows[0];
      expect(Number(row.epoch)).toBe(NEW + 2);
    });
  });

  it('forgets done for a new generation and for another run', async () => {
    await run(REPLACE, { epoch: 1 });
    const executed = { outcome: 'succeeded', rows: 5 };
    expect(await run(REPLACE, { epoch: 2, generation: 2 })).toMatchObject(executed);
    expect(await run(REPLACE, { epoch: 3, run: 'month-2026-10-rehearsal-1' })).toMatchObject(executed);
    expect(await count()).toBe(5);
  });

  it('lets two attempts at once have one effect, in either order', async () => {
    const add = 'select pg_sleep(0.05); insert into bills values (:period, 1)';
    for (let round = 0; round < 5; round++) {
      await db.query('truncate bills');
      const options = { generation: round + 1, own: [round * 10 + 1, round * 10 + 2] };
      const epochs = round % 2 === 0 ? [1, 2] : [2, 1];
      const endings = await Promise.all(
        epochs.map((epoch) => run(add, { ...options, epoch: round * 10 + epoch })),
      );
      expect(await count()).toBe(1);
      expect(endings.filter((one) => one.outcome === 'succeeded' && one.already !== true).length).toBe(1);
    }
  });

  it('lets a new attempt cancel the backend of an older epoch and wait outside its own timeout', async () => {
    const older = run(`${REPLACE}select pg_sleep(60);`, { epoch: 1 });
    await backendOf(1, "query like '%pg_sleep%' and state = 'active'");
    const context = contextOf();
    const newer = await run(REPLACE, { epoch: 2, attempt: 2, unended: [1], timeoutMs: 5_000 }, context);
    expect(newer).toEqual({ outcome: 'succeeded', rows: 5 });
    expect(context.text()).toContain('cancelled older attempts: epochs 1');
    expect(await older).toMatchObject({ outcome: 'failed', kind: 'infrastructure' });
    expect(await count()).toBe(5);
  });

  it('closes the backend of a frozen older attempt that hears no cancel', async () => {
    const frozen = new pg.Client({
      connectionString: url,
      application_name: applicationName(taskOf(sqlSpec(''), { epoch: 1 })),
    });
    frozen.on('error', () => {});
    await frozen.connect();
    await ensurePlatformSchema(frozen);
    await frozen.query(`begin; ${HELD}`);
    const newer = await run(REPLACE, { epoch: 2, unended: [1], timeoutMs: 1_500 });
    expect(newer).toEqual({ outcome: 'succeeded', rows: 5 });
    await expect(frozen.query('commit')).rejects.toThrow();
  });

  it("does not count the wait for the fence as the program's time", async () => {
    await ensurePlatformSchema(db);
    const holder = new pg.Client(url);
    await holder.connect();
    await holder.query(`begin; ${HELD}`);
    const waiting = run(REPLACE, { epoch: 2, timeoutMs: 1_000 });
    await backendOf(2, "wait_event_type = 'Lock'");
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    await holder.query('rollback');
    await holder.end();
    expect(await waiting).toEqual({ outcome: 'succeeded', rows: 5 });
  });

  it('waits for a backend of another record, whatever its epoch, and says who it is', async () => {
    const other = run(`${REPLACE}select pg_sleep(2.5);`, { epoch: 1, record: 'record-2' });
    await backendOf(1, "query like '%pg_sleep%' and state = 'active'");
    const waits: unknown[] = [];
    const context = { ...contextOf(), waits: (what: unknown) => waits.push(what) };
    expect(await run(REPLACE, { epoch: 2, unended: [7] }, context)).toMatchObject({
      outcome: 'succeeded',
      rows: 5,
      over: { epoch: 1, record: 'record-2' },
    });
    expect(await other).toEqual({ outcome: 'succeeded', rows: 5 });
    const held = {
      code: 'fence_held_elsewhere',
      by: expect.stringMatching(/^sluice e1 [0-9a-f]{16} .*backend \d+, role/),
    };
    expect(waits.at(0)).toEqual(held);
    expect(waits.at(-1)).toBeNull();
  });

  it('can be given up while waiting for it', async () => {
    await ensurePlatformSchema(db);
    const holder = new pg.Client(url);
    await holder.connect();
    await holder.query(`begin; ${HELD}`);
    const context = contextOf();
    const waiting = run(REPLACE, { epoch: 2 }, context);
    await backendOf(2, "wait_event_type = 'Lock'");
    context.controller.abort('cancel');
    expect(await waiting).toEqual({ outcome: 'cancelled', effect: false });
    await holder.end();
  });

  it('is made once by many agents that begin at the same moment', async () => {
    const endings = await Promise.all(
      Array.from({ length: 8 }, (_, index) => run('select 1', { program: `Flow${index}`, epoch: index + 1 })),
    );
    expect(endings).toEqual(Array.from({ length: 8 }, () => ({ outcome: 'succeeded', rows: 0 })));
  });
});

describe('a check', () => {
  const check = (sql: string, options: TaskOptions = {}) =>
    platform.execute(taskOf(sqlSpec(sql, true), options), contextOf());
  it.each([
    ['select true', { outcome: 'succeeded' }],
    ['select false', { outcome: 'false' }],
    ['select null::boolean', { outcome: 'false' }],
    ['select count(*) > 0 from bills where period = :period', { outcome: 'false' }],
  ])('answers one boolean: %s', async (sql, want) => {
    expect(await check(sql, { parameters: { period: '202610' } })).toEqual(want);
  });
  it.each([
    'select 1',
    'select true, true',
    'select true where false',
    'select true from generate_series(1, 2)',
  ])('fails when it answers anything else: %s', async (sql) => {
    expect(await check(sql)).toMatchObject({
      outcome: 'failed',
      kind: 'program',
      message: expect.stringContaining('one boolean'),
    });
  });
  it('cannot write and takes no fence', async () => {
    expect(await check("insert into bills values ('x'); select true")).toMatchObject({ outcome: 'failed' });
    expect((await db.query("select to_regclass('sluice.sluice_work') as t")).rows[0].t).toBeNull();
  });
});

describe('the name of a session', () => {
  const named = (program: string, epoch = 1): Task =>
    taskOf(sqlSpec(''), { program, epoch, period: '2026101523' });
  it('stays within 63 bytes and leads back to its epoch and its work', () => {
    for (const program of ['P04.S1', 'x'.repeat(120), '分发.long-name_with.everything-in-it.export']) {
      const name = applicationName(named(program, 1_796_044_800_123_456));
      expect(Buffer.byteLength(name)).toBeLessThanOrEqual(63);
      expect(name).toContain(` ${workKey(program, '2026101523').slice(0, 16)} `);
      expect(epochIn(name, named(program))).toBe(1_796_044_800_123_456);
    }
  });
  it('tells long programs with the same beginning apart', () => {
    const [one, two] = ['a', 'b'].map((end) => named('x'.repeat(119) + end));
    expect(epochIn(applicationName(one!), two!)).toBeNull();
  });
});

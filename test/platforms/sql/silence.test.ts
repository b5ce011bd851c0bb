/** Connections to a platform over which nothing comes any more although both ends hold them open (protocol C6, docs/reliability.md). */
import pg from 'pg';
import { afterAll, beforeAll, describe, type ExpectStatic, expect, test } from 'vitest';
import { type Link, openLink } from '../../../bench/faults/link.ts';
import type { Ending } from '../../../contract/agent.ts';
import { applicationName } from '../../../platforms/sql/session.ts';
import { createSqlPlatform } from '../../../platforms/sql/sql.ts';
import { createEmptyDatabase } from '../../support/database.ts';
import { contextOf, sqlSpec, type TaskOptions, taskOf, workKey } from '../task.ts';

const { url } = await createEmptyDatabase('yt');
const direct = new pg.Pool({ connectionString: url, max: 8 });
const links: Link[] = [];

beforeAll(async () => {
  await direct.query('create table effects (program text, epoch int)');
  // The schema is there before the programs: what they wait for is the fence alone.
  const { run } = await wayOfItsOwn();
  expect(await run('select 1', { program: 'First' })).toMatchObject({ outcome: 'succeeded' });
});
afterAll(async () => {
  await direct.end();
  await Promise.all(links.map((link) => link.close()));
});

/** A link to the platform that no other test breaks, and an agent's platform behind it. */
async function wayOfItsOwn() {
  const target = new URL(url);
  const link = await openLink('agent>yt', Number(target.port), () => 0);
  links.push(link);
  target.port = String(link.port);
  const through = createSqlPlatform({ connections: { yt: target.href }, defaultConnection: 'yt' });
  const run = (sql: string, options: TaskOptions): Promise<Ending> =>
    through.execute(taskOf(sqlSpec(sql), options), contextOf());
  return { link, through, run };
}

const effect = (program: string, epoch: number): string =>
  `insert into effects values ('${program}', ${epoch})`;

/** Resolves when the attempt's backend is in the state that `condition` describes. `expect`: of the test, because tests run at the same time. */
async function backend(
  expect: ExpectStatic,
  program: string,
  epoch: number,
  condition: string,
): Promise<void> {
  const name = applicationName(taskOf(sqlSpec(''), { program, epoch }));
  const seen = async () =>
    (await direct.query(`select from pg_stat_activity where application_name = $1 and ${condition}`, [name]))
      .rowCount;
  await expect.poll(seen, { interval: 20 }).toBe(1);
}

/** Holds the fence of a program as an attempt of a younger epoch than none would, until it is called. */
async function holdFence(program: string): Promise<() => Promise<void>> {
  const holder = await direct.connect();
  await holder.query('begin');
  await holder.query(
    "insert into sluice.sluice_work values ($1, 0, 'record-1', 'month-2026-10', $2, 1, false)",
    [workKey(program), program],
  );
  return async () => {
    await holder.query('rollback');
    holder.release();
  };
}

// Each of them waits 10 s for a silence to be found: they wait together.
describe.concurrent('a connection to a platform that falls silent', () => {
  test('is found while the attempt waits for its fence, in a statement without a limit of time, in a check; a new attempt succeeds', async ({
    expect,
  }) => {
    const { link, through, run } = await wayOfItsOwn();
    const free = await holdFence('Waits');
    const waits = run(effect('Waits', 1), { program: 'Waits', epoch: 1 });
    const runs = run(`${effect('Runs', 1)}; select pg_sleep(0.5)`, { program: 'Runs', epoch: 1 });
    const checks = through.execute(
      taskOf(sqlSpec('select pg_sleep(0.5) is not null', true), { program: 'Checks', epoch: 1 }),
      contextOf(),
    );
    await backend(expect, 'Waits', 1, "wait_event_type = 'Lock'");
    await backend(expect, 'Runs', 1, "wait_event = 'PgSleep'");
    await backend(expect, 'Checks', 1, "wait_event = 'PgSleep'");
    link.forget();
    await free();
    const silent = {
      outcome: 'failed',
      kind: 'infrastructure',
      message: expect.stringContaining('fallen silent'),
    };
    expect(await Promise.all([waits, runs, checks])).toEqual([silent, silent, silent]);
    await backendsGone(expect, ['Waits', 'Runs', 'Checks']);
    const left = await direct.query("select * from effects where program in ('Waits', 'Runs')");
    expect(left.rows).toEqual([]);

    const again = ['Waits', 'Runs'].map((program) =>
      run(effect(program, 2), { program, epoch: 2, attempt: 2 }),
    );
    expect(await Promise.all(again)).toEqual([
      { outcome: 'succeeded', rows: 1 },
      { outcome: 'succeeded', rows: 1 },
    ]);
  });

  test('is found when the database has ended the session and nobody told', async ({ expect }) => {
    const { link, run } = await wayOfItsOwn();
    const ending = run('select pg_sleep(60)', { program: 'Ended', epoch: 3 });
    await backend(expect, 'Ended', 3, "wait_event = 'PgSleep'");
    link.forget();
    const name = applicationName(taskOf(sqlSpec(''), { program: 'Ended', epoch: 3 }));
    await direct.query('select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1', [
      name,
    ]);
    expect(await ending).toEqual({
      outcome: 'failed',
      kind: 'infrastructure',
      message: 'the database has ended this session, but the connection stayed open',
    });
  });

  test('is not found where something is merely slow: a long wait for the fence, a long statement', async ({
    expect,
  }) => {
    const { run } = await wayOfItsOwn();
    const free = await holdFence('Patient');
    const waits = run(effect('Patient', 1), { program: 'Patient', epoch: 1 });
    const long = run('select pg_sleep(13)', { program: 'Long', epoch: 1 });
    await backend(expect, 'Patient', 1, "wait_event_type = 'Lock'");
    expect(await long).toEqual({ outcome: 'succeeded', rows: 0 });
    await free();
    expect(await waits).toEqual({ outcome: 'succeeded', rows: 1 });
  });
});

/** Nothing of the programs is left at work on the database. */
async function backendsGone(expect: ExpectStatic, programs: readonly string[]): Promise<void> {
  const left = async () => {
    const { rows } = await direct.query<{ name: string }>(
      "select application_name as name from pg_stat_activity where application_name like 'sluice e%'",
    );
    return rows.filter(({ name }) => programs.some((program) => name.endsWith(` ${program}`)));
  };
  await expect.poll(left, { interval: 50 }).toEqual([]);
}

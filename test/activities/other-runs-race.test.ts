/** Protocol A11: whatever the order in which runs are opened and their flows end, no waiting flow misses its upstream. */
import { afterAll, expect, test } from 'vitest';
import { versionReader } from '../../store/catalogue/catalogue.ts';
import { openRun } from '../../store/schedules/open-run.ts';
import { createPool } from '../../store/schema/pool.ts';
import { startCoordinator } from '../support/coordinator.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText } from '../support/estate.ts';
import { ask, playAgent } from '../support/play.ts';

const database = await createTestDatabase('other-runs-race');
const AT_ONCE = 12;
const pool = createPool(database.url, { max: AT_ONCE, name: 'test' });
afterAll(() => pool.end());
const versionOf = versionReader(pool);

const open = (cycle: 'hour' | 'day' | 'month', period: string) =>
  openRun({ pool, versionOf }, { cycle, period, purpose: 'scheduled', procedures: null }, 'test');

const HOURS = Array.from({ length: 24 }, (_, h) => String(h).padStart(2, '0'));
const DAYS = Array.from({ length: 31 }, (_, d) => `2031-03-${String(d + 1).padStart(2, '0')}`);

test('an upstream that is done at the instant of its opening is seen by a run that is opened at that instant', async () => {
  await applyCatalogue(
    pool,
    catalogueText([
      // The engine's own flow: done by the first exchange of its run.
      { id: 'N', kind: 'notify', cycle: 'hour', notice: { to: 'duty', en: 'n', zh: 'n' } },
      {
        id: 'D',
        kind: 'notify',
        cycle: 'day',
        notice: { to: 'duty', en: 'd', zh: 'd' },
        after: [{ flow: 'N', period: 'everyHourOfDay' }],
      },
      {
        id: 'M',
        kind: 'notify',
        cycle: 'month',
        notice: { to: 'duty', en: 'm', zh: 'm' },
        after: [{ flow: 'D', period: 'everyDayOfMonth' }],
      },
    ]),
  );
  const coordinator = await startCoordinator(database.url);
  try {
    const days = DAYS.slice(0, 12);
    const openings = [
      ...days.flatMap((day) => HOURS.map((hour) => () => open('hour', day.replaceAll('-', '') + hour))),
      ...days.map((day) => () => open('day', day)),
    ];
    // In no order: some days before their hours, some after, many at once.
    for (let i = openings.length - 1; i > 0; i--) {
      const k = (i * 7919 + 13) % (i + 1);
      [openings[i], openings[k]] = [openings[k]!, openings[i]!];
    }
    // At once as many as the pool has connections: nobody waits for one until that counts as an outage.
    const openOthers = async (): Promise<void> => {
      for (let opening = openings.pop(); opening !== undefined; opening = openings.pop()) await opening();
    };
    await Promise.all(Array.from({ length: AT_ONCE }, openOthers));
    await expect.poll(() => unfinished('day')).toEqual([]);
    expect((await pool.query("select count(*)::int as n from runs where cycle = 'day'")).rows[0].n).toBe(12);
  } finally {
    await coordinator.stop();
  }
});

test('an hour, a day and a month wait for one another while agents work, and all of it ends', async () => {
  await applyCatalogue(
    pool,
    catalogueText([
      { id: 'H1', cycle: 'hour' },
      { id: 'H2', cycle: 'hour', after: ['H1'] },
      // The month waits for its days, and they for the month: exchanges of both tell each other.
      { id: 'M0', cycle: 'month' },
      { id: 'D1', cycle: 'day', after: [{ flow: 'H2', period: 'everyHourOfDay' }, 'M0'] },
      { id: 'D2', cycle: 'day', after: ['D1', { flow: 'D3', period: 'previous' }] },
      { id: 'D3', cycle: 'day', after: ['D2'] },
      { id: 'M1', cycle: 'month', after: [{ flow: 'D1', period: 'everyDayOfMonth' }] },
      { id: 'M2', cycle: 'month', after: ['M1', { flow: 'D3', period: 'lastDayOfMonth' }] },
    ]),
  );
  const agent = await playAgent(pool, 'a1');
  const coordinator = await startCoordinator(database.url);
  let working = true;
  const work = (async () => {
    while (working) {
      const tasks = await agent.claim(5);
      await agent.start(tasks);
      await agent.end(tasks);
      if (tasks.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  try {
    await open('day', '2040-05-02');
    await Promise.all(
      ['01', '02'].flatMap((day) => HOURS.slice(12).map((hour) => open('hour', `204005${day}${hour}`))),
    );
    await Promise.all([open('month', '2040-05'), open('day', '2040-05-01')]);
    await Promise.all(
      ['01', '02'].flatMap((day) => HOURS.slice(0, 12).map((hour) => open('hour', `204005${day}${hour}`))),
    );
    await waive('day-2040-05-01', 'D3', 'D2');
    await expect.poll(() => unfinished('day')).toEqual([]);
    // The month lacks 29 days that were never opened, and the last of them.
    const waits = await pool.query(
      "select count(*)::int as n from subscriptions where run_id = 'month-2040-05' and released_ms is null",
    );
    expect(waits.rows[0].n).toBe(30);
    // Protocol A10: counter rows are locked by run id, no matter which run tells which.
    const found = await pool.query(
      'select deadlocks::int as n from pg_stat_database where datname = current_database()',
    );
    expect(found.rows[0].n).toBe(0);
  } finally {
    working = false;
    await work;
    await coordinator.stop();
  }
});

const unfinished = async (cycle: string): Promise<string[]> =>
  (
    await pool.query<{ id: string }>(
      'select id from runs where cycle = $1 and finished_ms is null order by id',
      [cycle],
    )
  ).rows.map((row) => row.id);

async function waive(run: string, from: string, to: string): Promise<void> {
  await ask(pool, run, 'waive', [], { edges: [{ from, to }] });
  await pool.query("select pg_notify('sluice_log', $1)", [run]);
}

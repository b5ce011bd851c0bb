/** Periods that schedules open, as people meet them (protocol D10): edges, parameters, backfills, versions from before the rule. */
import { expect, test } from 'vitest';
import { startCliEstate } from '../../cli/estate.ts';
import type { Json } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText } from '../../support/estate.ts';
import { playAgent } from '../../support/play.ts';

const database = await createTestDatabase('opened-periods');
const { api, sluice, direct } = await startCliEstate(database);
const flows = [
  { id: 'Stock', cycle: 'day', after: [{ flow: 'Stock', period: 'previous' }] },
  { id: 'Plain', cycle: 'day', after: [{ flow: 'Stock', period: 'previous', calendar: 'plain' }] },
  { id: 'Alone', cycle: 'day' },
  { id: 'Month', after: [{ flow: 'Stock', period: 'everyDayOfMonth' }] },
];
const frame = {
  cycles: [{ id: 'day', begins: '2026-09-30' }],
  calendars: [
    {
      id: 'cn',
      holidays: [{ from: '2026-10-01', to: '2026-10-07', names: { en: 'National Day', zh: '国庆节' } }],
      makeUpDays: ['2026-10-10'],
    },
  ],
  schedules: [{ id: 'bankDays', cycle: 'day', calendar: 'cn', on: 'workDays', at: '02:00', paused: true }],
};
const text = catalogueText(flows, frame);
await applyCatalogue(api.pool, text);
const operator = direct('operator');
const agent = await playAgent(api.pool, 'a1');
const open = (cycle: string, period: string) => operator.post('/runs', { cycle, period });
const waitsFor = async (run: string): Promise<string[]> => {
  const found = await api.pool.query<{ edge: string }>(
    `select flow_id || ' ' || upstream_run as edge from subscriptions where run_id = $1 order by 1`,
    [run],
  );
  return found.rows.map((row) => row.edge);
};

/** Does what is offered; answers the tasks by run and flow. */
async function work(run: string): Promise<Map<string, Json>> {
  const done = new Map<string, Json>();
  for (;;) {
    await api.coordinator!.settled(run);
    const tasks = await agent.claim();
    if (tasks.length === 0) return done;
    for (const task of tasks) done.set(`${task.run} ${task.flow}`, task);
    await agent.start(tasks);
    await agent.end(tasks);
  }
}

test('the first work day after a holiday waits for the last one before it', async () => {
  await open('day', '2026-09-30');
  await work('day-2026-09-30');
  await open('day', '2026-10-08');
  expect(await waitsFor('day-2026-10-08')).toEqual(['Plain day-2026-10-07', 'Stock day-2026-09-30']);
  expect([...(await work('day-2026-10-08')).keys()]).toEqual(
    expect.arrayContaining(['day-2026-10-08 Stock', 'day-2026-10-08 Alone']),
  );
  expect((await operator.get('/runs/day-2026-10-08')).body).toMatchObject({
    tainted: 0,
    counts: { succeeded: 2, waiting_upstream: 1 },
  });
  const { causes } = (await operator.get('/runs/day-2026-10-08/flows/Plain/why')).body;
  expect(causes.map((json: Json) => json.text.en)).toEqual([
    expect.stringContaining('2026-10-07 is not a work day'),
  ]);
});

test('a month waits for the days that are opened', async () => {
  await open('month', '2026-10');
  const days = (await waitsFor('month-2026-10')).map((entry) => entry.slice(-2));
  expect(days).toEqual([
    '08',
    '09',
    '10',
    '12',
    '13',
    '14',
    '15',
    '16',
    '19',
    '20',
    '21',
    '22',
    '23',
    '26',
    '27',
    '28',
    '29',
    '30',
  ]);
});

test('a version that was stored before the rule counts every period, until its files are applied again', async () => {
  await api.pool.query('update catalogue_versions set opened_periods = false');
  const before = (await api.pool.query('select max(version) as version from catalogue_versions')).rows[0];
  // Versions are kept in memory and never change: another reader, as after a restart.
  const { versionReader } = await import('../../../store/catalogue/catalogue.ts');
  const { openRun } = await import('../../../store/schedules/open-run.ts');
  const request = {
    cycle: 'day' as const,
    period: '2026-10-19',
    purpose: 'scheduled' as const,
    procedures: null,
  };
  await openRun({ pool: api.pool, versionOf: versionReader(api.pool) }, request, 'test');
  expect(await waitsFor('day-2026-10-19')).toEqual(['Plain day-2026-10-18', 'Stock day-2026-10-18']);
  const again = await applyCatalogue(api.pool, text);
  expect(again).toBe(before.version + 1);
  expect(await applyCatalogue(api.pool, text)).toBe(again);
  const adopted = await direct('admin').post('/runs/day-2026-10-19/adopt', { reason: 'work days' });
  expect(adopted.status).toBe(200);
  expect(await waitsFor('day-2026-10-19')).toEqual(['Plain day-2026-10-18', 'Stock day-2026-10-16']);
});

test('a backfill opens what schedules open, says what it leaves out, and takes every period when asked', async () => {
  const range = { cycle: 'day', from: '2026-10-08', to: '2026-10-12', flows: ['Stock'], dryRun: true };
  const periods = ({ body }: { body: Json }) => body.runs.map((json: Json) => json.period.slice(-2));
  const foreseen = await operator.post('/backfills', range);
  expect(periods(foreseen)).toEqual(['08', '09', '10', '12']);
  expect(foreseen.body).toMatchObject({ leftOut: ['2026-10-11'], everyPeriod: false });
  const every = await operator.post('/backfills', { ...range, everyPeriod: true });
  expect(periods(every)).toEqual(['08', '09', '10', '11', '12']);
  expect(every.body).toMatchObject({ leftOut: [], everyPeriod: true });

  const shown = await sluice(['backfill', 'open', '2026-10-08', '2026-10-12', '--dry-run']);
  expect(shown.out).toContain(
    'left out because no schedule opens them (1; --every-period includes them): 2026-10-11',
  );
  const none = await operator.post('/backfills', { ...range, from: '2026-10-03', to: '2026-10-04' });
  expect(none.body).toMatchObject({
    status: 400,
    code: 'invalid_request',
    facts: { leftOut: 2, schedules: ['bankDays'] },
  });
  const opened = await sluice([
    'backfill',
    'open',
    '2026-10-03',
    '2026-10-04',
    '--every-period',
    '--reason',
    'rates',
    '--json',
  ]);
  expect(opened.json()).toMatchObject({
    everyPeriod: true,
    runs: [{ period: '2026-10-03' }, { period: '2026-10-04' }],
  });
});

test('the newest run is one of a period that is opened, not one that somebody opened for a day off', async () => {
  const { newestPeriod } = await import('../../../store/schedules/scheduled-runs.ts');
  const { newestCatalogue } = await import('../../../services/catalogue/newest-catalogue.ts');
  const { openings } = (await newestCatalogue(api.deps))!;
  await open('day', '2026-10-24');
  expect([await newestPeriod(api.pool, 'day', openings), await newestPeriod(api.pool, 'day', null)]).toEqual([
    '2026-10-19',
    '2026-10-24',
  ]);
});

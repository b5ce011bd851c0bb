/** Clock times for people are in one zone, that of the catalogue, and say which; periods far ahead are confirmed and nobody's default. */
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { newestPeriod } from '../../store/schedules/scheduled-runs.ts';
import { startTestApi } from '../support/api.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../support/estate.ts';

const database = await createTestDatabase('clock_times');
const api = await startTestApi(database);
const ann = await api.actor({ name: 'ann', kind: 'person', roles: ['operator'] });
const berlin = { calendars: [{ id: 'berlin', timeZone: 'Europe/Berlin' }] };
const feed = { kind: 'interface', cycle: 'day', interface: { no: '04113' }, startAt: '+1 day, 02:30' };
await applyCatalogue(
  api.pool,
  catalogueText(
    [{ id: 'Load' }, { id: 'Feed', calendar: 'berlin', ...feed }, { id: 'Day', cycle: 'day' }],
    berlin,
  ),
);
await openTestRun(api.pool, '2026-10-24', 'day');

const csvOf = async (path: string): Promise<string[]> =>
  String((await ann.get(`${path}${path.includes('?') ? '&' : '?'}format=csv`)).body).split('\r\n');

test('lists, files and the clock times that are asked with are in the zone of the catalogue', async () => {
  // Summer time ends in that night: 02:30 is the first of two.
  const json = (await ann.get('/queries/Q30?from=02:00&to=03:00')).body;
  expect(json.items.map((item: { flowId: string }) => item.flowId)).toEqual(['Feed']);
  expect(json).toMatchObject({ timeZone: 'Europe/Berlin' });
  expect(json.items[0].startsAt).toBe(Date.UTC(2026, 9, 25, 0, 30));
  const [title, row] = await csvOf('/queries/Q30?from=02:00&to=03:00');
  expect(title).toContain('(Europe/Berlin)');
  expect(row).toContain('2026-10-25 02:30:00');
  expect((await ann.get('/queries/Q30?from=08:00&to=09:00')).body.items).toEqual([]);
});

test('each answer to a person says the zone', async () => {
  const { headers } = await ann.get('/runs');
  expect(headers['sluice-time-zone']).toBe('Europe/Berlin');
});

test('a period far ahead is refused until it is confirmed, and is nobody’s default', async () => {
  await openTestRun(api.pool, '2026-10');
  const open = { cycle: 'month', period: '2099-12' };
  const refused = await ann.post('/runs', open);
  expect(refused).toMatchObject({ status: 409, body: { code: 'far_period' } });
  expect((await ann.get('/runs?period=2099-12')).body.items).toEqual([]);
  for (const period of ['9999-12', '10000-01', '0000-01', '2026-13'])
    expect(await ann.post('/runs', { cycle: 'month', period })).toMatchObject({
      body: { code: 'invalid_period' },
    });
  expect((await ann.post('/runs', { ...open, far: true })).status).toBe(202);
  expect((await ann.post('/runs', { cycle: 'month', period: '2047-01' })).status).toBe(202);
  expect(await newestPeriod(api.pool, 'month')).toBe('2026-10');
  const backfill = { cycle: 'month', from: '2099-01', to: '2099-02', reason: 'test' };
  expect((await ann.post('/backfills', backfill)).body.code).toBe('far_period');
  expect((await ann.post('/backfills', { ...backfill, from: '2099-03' })).body.code).toBe('invalid_request');
  expect((await ann.post('/backfills', { ...backfill, far: true, dryRun: true })).status).toBe(200);
});

test('a notice that an effect was executed over says when it was left, in the zone of the catalogue', async () => {
  const bot = await api.actor({ name: 'bot', kind: 'agent' });
  const instance = randomUUID();
  const call = async (operation: string, body: object) =>
    (await bot.post(`/agents/bot/${operation}`, { instance, ...body })).body;
  await call('hello', { lockToken: randomUUID(), platform: 'yt', slots: 9, version: '1', protocol: 2 });
  const run = await openTestRun(api.pool, '2026-09');
  await api.coordinator!.settled(run);
  const { tasks } = await call('claim', { claimId: randomUUID(), platform: 'yt', free: 9, waitMs: 0 });
  const lease = tasks.find((task: { lease: { run: string } }) => task.lease.run === run).lease;
  await call('started', { requestId: randomUUID(), leases: [{ epoch: lease.epoch }] });
  const over = { epoch: 5, record: 'other', run: 'elsewhere', flow: 'F', generation: 1 };
  const at = '2026-10-25T08:30:00+08:00';
  const ending = { outcome: 'succeeded', rows: 1, over: { ...over, at } };
  await call('complete', { requestId: randomUUID(), results: [{ ...lease, ending }] });
  const { rows } = await api.pool.query("select en, zh from notices where kind = 'foreign_effect'");
  // Summer time ends half an hour later.
  const written = 'elsewhere F, generation 1, epoch 5, 2026-10-25 02:30:00 Europe/Berlin';
  expect(rows).toEqual([{ en: expect.stringContaining(written), zh: expect.stringContaining(written) }]);
});

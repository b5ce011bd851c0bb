/** Events from outside: taken once, told to every run of the period that waits for them, whether it is there or not. */
import { expect, test } from 'vitest';
import { writeEvent } from '../../store/schedules/external-events.ts';
import { inTransaction } from '../../store/schema/pool.ts';
import { startCliEstate } from '../cli/estate.ts';
import type { Json } from '../support/api.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../support/estate.ts';
import { stateIn } from '../support/play.ts';

const database = await createTestDatabase('external_events');
const { api, sluice, direct } = await startCliEstate(database);
await applyCatalogue(
  api.pool,
  catalogueText([
    { id: 'Billed', trigger: 'event', event: 'billingDone' },
    { id: 'After', after: ['Billed'] },
    { id: 'Daily', cycle: 'day', trigger: 'event', event: 'filesHere' },
  ]),
);
const operator = direct('operator');
const send = (event: string, period: string, rest: object = {}, headers: Record<string, string> = {}) =>
  operator.post('/events', { event, period, ...rest }, headers);
let month = 0;
const nextMonth = (): string =>
  `${2031 + Math.floor(month / 12)}-${String((month++ % 12) + 1).padStart(2, '0')}`;
const phase = async (run: string): Promise<string> => {
  await api.coordinator!.settled(run);
  return (await stateIn(api.pool, run, 'Billed')).phase;
};

test('an event triggers the flows that wait for it in the runs of its period, and why names it until then', async () => {
  const period = nextMonth();
  const run = await openTestRun(api.pool, period);
  const other = await openTestRun(api.pool, nextMonth());
  expect(await phase(run)).toBe('not_triggered');
  const why = (await operator.get(`/runs/${run}/flows/After/why`)).body;
  expect(why.causes).toMatchObject([{ flow: 'Billed', code: 'event_condition_unmet', by: 'billingDone' }]);
  expect(why.causes[0].text.en).toMatch(/^Billed has waited for the event billingDone for \d+ s\.$/);
  expect(why.causes[0].text.zh).toContain('等待事件 billingDone');
  const sent = await send('billingDone', period, { payload: { rows: 12 } });
  expect(sent).toMatchObject({
    status: 200,
    body: { cycle: 'month', period, payload: { rows: 12 }, runs: [run] },
  });
  expect([await phase(run), await phase(other)]).toEqual(['waiting_agent', 'not_triggered']);
});

test('an event that comes before its run counts when the run is opened, for each purpose', async () => {
  const period = nextMonth();
  expect((await send('billingDone', period)).body.runs).toEqual([]);
  const run = await openTestRun(api.pool, period);
  const again = (await operator.post('/runs', { cycle: 'month', period, purpose: 'backfill' })).body.id;
  expect([await phase(run), await phase(again)]).toEqual(['waiting_agent', 'waiting_agent']);
  const { items } = (await operator.get(`/events?period=${period}`)).body;
  expect(items).toMatchObject([{ event: 'billingDone', actor: 'operator', runs: [run, again] }]);
});

test('an event and the opening of its run at once: the run always hears of it, once', async () => {
  const periods = Array.from({ length: 20 }, nextMonth);
  await Promise.all(
    periods.flatMap((period) => [openTestRun(api.pool, period), send('billingDone', period)]),
  );
  const told = await api.pool.query<{ run_id: string; n: number }>(
    "select run_id, count(*)::int as n from run_log where kind = 'external' and run_id = any($1) group by 1",
    [periods.map((period) => `month-${period}`)],
  );
  expect(told.rows.map((row) => row.n)).toEqual(periods.map(() => 1));
});

test('a run that is opened while an event is being written waits for it, and hears of it', async () => {
  const period = nextMonth();
  // So that the event has a run to look at, during which the other one is opened.
  await operator.post('/runs', { cycle: 'month', period, purpose: 'backfill' });
  const over: string[] = [];
  let opening: Promise<string> | undefined;
  const given = {
    event: 'billingDone',
    cycle: 'month',
    period,
    payload: null,
    actor: 'test',
    key: period,
  } as const;
  await inTransaction(api.pool, (client) =>
    writeEvent(client, { ...given, bodyHash: '' }, async () => {
      opening = openTestRun(api.pool, period).finally(() => over.push('opened'));
      const waiting = `select 1 from pg_locks where locktype = 'advisory' and not granted
        and database = (select oid from pg_database where datname = current_database())`;
      await expect
        .poll(async () => over.length + (await api.pool.query(waiting)).rowCount!)
        .toBeGreaterThan(0);
      over.push('written');
      return true;
    }),
  );
  const run = await opening!;
  expect(over).toEqual(['written', 'opened']);
  expect(await phase(run)).toBe('waiting_agent');
});

test('the same key has one effect, and belongs to one event; a closed run hears it for when it is reopened', async () => {
  const period = nextMonth();
  const run = await openTestRun(api.pool, period);
  await api.coordinator!.settled(run);
  await operator.post(`/runs/${run}/close`, { reason: 'x' });
  const [first, second] = await Promise.all(
    [1, 2].map(() => send('billingDone', period, {}, { 'idempotency-key': 'e1' })),
  );
  expect(first!.body.id).toBe(second!.body.id);
  expect((await send('billingDone', nextMonth(), {}, { 'idempotency-key': 'e1' })).body.code).toBe(
    'idempotency_key_reused',
  );
  expect((await operator.get(`/events?period=${period}`)).body.items).toHaveLength(1);
  await operator.post(`/runs/${run}/reopen`, { reason: 'x' });
  expect(await phase(run)).toBe('waiting_agent');
});

test('an event that nothing waits for is refused with what may be meant; so is a period that is none', async () => {
  expect((await send('bilingDone', '2026-10')).body).toMatchObject({
    code: 'unknown_event',
    facts: { near: ['billingDone'], cycle: 'month' },
  });
  expect((await send('billingDone', '2026-10-01')).body.code).toBe('unknown_event');
  expect((await send('billingDone', 'yesterday')).body.code).toBe('invalid_period');
  expect((await send('filesHere', '2026-10-01')).body).toMatchObject({ cycle: 'day', runs: [] });
  expect(
    (await direct('viewer').post('/events', { event: 'filesHere', period: '2026-10-01' })).body.code,
  ).toBe('forbidden');
  const audit = await operator.get('/audit?verb=send-event&outcome=rejected');
  expect(audit.body.items[0]).toMatchObject({ actor: 'viewer', code: 'forbidden' });
});

test('at the command line', async () => {
  const period = nextMonth();
  const run = await openTestRun(api.pool, period);
  const sent = await sluice(['event', 'send', 'billingDone', period, '--payload', '{"rows": 3}']);
  expect(sent).toMatchObject({ exit: 0, out: `billingDone of ${period}: ${run}\n` });
  expect((await sluice(['event', 'send', 'billingDone', nextMonth(), '--lang', 'zh'])).out).toContain(
    '打开时生效',
  );
  expect((await sluice(['event', 'send', 'billingDone', period, '--payload', '3'])).exit).toBe(2);
  expect((await sluice(['event', 'send', 'nothing', period])).exit).toBe(3);
  const listed: Json = await sluice(['event', 'list', '--period', period]);
  expect(listed.out).toContain('{"rows":3}');
});

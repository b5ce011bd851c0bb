/** The beginning of an estate, as people meet it: nothing waits for what never was, and nobody opens it by mistake. */
import { expect, test } from 'vitest';
import { openBackfills } from '../../../store/schedules/backfills.ts';
import { openDue } from '../../../store/schedules/open-due.ts';
import { startCliEstate } from '../../cli/estate.ts';
import type { Json } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText } from '../../support/estate.ts';
import { playAgent } from '../../support/play.ts';

const database = await createTestDatabase('beginnings');
const { api, sluice, direct } = await startCliEstate(database);
const flows = [
  { id: 'Load', cycle: 'day' },
  { id: 'Stock', cycle: 'day', after: ['Load', { flow: 'Stock', period: 'previous' }] },
  { id: 'Bill', after: [{ flow: 'Stock', period: 'everyDayOfMonth' }] },
];
const frame = {
  cycles: [{ id: 'day', begins: '2026-11-29' }],
  schedules: [{ id: 'days', cycle: 'day', at: '02:00' }],
};
await applyCatalogue(api.pool, catalogueText(flows));
const operator = direct('operator');
const agent = await playAgent(api.pool, 'a1');
const open = (cycle: string, period: string, more: object = {}) =>
  operator.post('/runs', { cycle, period, ...more });

/** Runs what is offered, and answers what that was. */
async function work(run: string): Promise<string[]> {
  const done: string[] = [];
  for (;;) {
    await api.coordinator!.settled(run);
    const tasks = await agent.claim();
    if (tasks.length === 0) return done;
    done.push(...tasks.map((task) => `${task.run} ${task.flow}`));
    await agent.start(tasks);
    await agent.end(tasks);
  }
}

test('a first run that waits for a period that never was is freed by a catalogue that says when the days begin', async () => {
  await open('day', '2026-11-29');
  expect(await work('day-2026-11-29')).toEqual(['day-2026-11-29 Load']);
  await applyCatalogue(api.pool, catalogueText(flows, frame));
  const adopted = await direct('admin').post('/runs/day-2026-11-29/adopt', { reason: 'begins here' });
  expect(adopted).toMatchObject({ status: 200 });
  expect(await work('day-2026-11-29')).toEqual(['day-2026-11-29 Stock']);
  const { body } = await operator.get('/runs/day-2026-11-29');
  expect(body).toMatchObject({ tainted: 0, counts: { succeeded: 2 } });
});

test('the flow and why say what is not waited for, in both languages', async () => {
  const { upstream } = (await operator.get('/runs/day-2026-11-29/flows/Stock')).body;
  expect(upstream.find((json: Json) => json.kind !== 'run')).toEqual({
    flow: 'Stock',
    kind: 'before_beginning',
    run: 'day-2026-11-28',
    begins: '2026-11-29',
    met: true,
    waived: false,
    loop: false,
    state: null,
  });
  const shown = (await sluice(['flow', 'show', 'Stock', '--run', 'day-2026-11-29', '--lang', 'zh'])).out;
  expect(shown).toContain('day-2026-11-28：早于其起始账期 2026-11-29');

  await open('month', '2026-11');
  await api.coordinator!.settled('month-2026-11');
  const { beforeBeginning, causes } = (await operator.get('/runs/month-2026-11/flows/Bill/why')).body;
  expect(beforeBeginning).toHaveLength(28);
  expect(causes.map((json: Json) => `${json.run} ${json.code}`)).toEqual(['day-2026-11-30 run_not_opened']);
  const told = (await sluice(['why', 'Bill', '--run', 'month-2026-11'])).out;
  expect(told).toContain(
    'Stock of day-2026-11-01 is not waited for: the period is before its beginning 2026-11-29',
  );
  expect(told).toContain('and 25 more before their beginning');
  const summary = await operator.get('/catalogue');
  expect(summary.body).toMatchObject({ cycles: { day: 2, month: 1 }, beginnings: { day: '2026-11-29' } });
});

test('an earlier run is refused with a code, and why it is not there is its being before the beginning', async () => {
  const refused = { code: 'before_beginning', facts: { cycle: 'day', begins: '2026-11-29' } };
  expect((await open('day', '2026-11-28')).body).toMatchObject(refused);
  expect((await open('day', '2026-11-28', { purpose: 'backfill' })).body).toMatchObject(refused);
  expect(await sluice(['run', 'open', '2026-11-28'])).toMatchObject({ exit: 5 });
  const { text } = (await operator.get('/runs/day-2026-11-28/why')).body;
  expect(text.en).toContain('before the beginning: the day runs begin with 2026-11-29');
  expect((await sluice(['why', '--run', 'day-2026-11-28', '--lang', 'zh'])).out).toContain('早于起始账期');
});

test('a schedule that comes upon an earlier period notes it and goes on', async () => {
  await api.pool.query("update schedules set decided_ms = $1 where id = 'days'", [
    Date.now() - 6 * 86_400_000,
  ]);
  await applyCatalogue(
    api.pool,
    catalogueText(flows, { ...frame, cycles: [{ id: 'day', begins: '2999-01-01' }] }),
  );
  await openDue({ pool: api.pool, versionOf: api.deps.versionOf }, 'days');
  const found = await api.pool.query<{ decision: string; en: string }>(
    'select decision, en from schedule_slots order by slot_ms desc limit 1',
  );
  expect(found.rows[0]).toEqual({
    decision: 'refused',
    en: expect.stringContaining('before the beginning'),
  });
  await applyCatalogue(api.pool, catalogueText(flows, { ...frame, pools: [{ id: 'p', size: 1 }] }));
});

test('a rehearsal may come before the beginning', async () => {
  const { status, body } = await open('day', '2026-11-20', { purpose: 'rehearsal' });
  expect([status, body.id]).toEqual([202, 'day-2026-11-20-rehearsal-1']);
});

test('a backfill goes before the beginning only when that is said; its runs then wait for each other', async () => {
  const range = ['backfill', 'open', '2026-11-27', '2026-11-28', '--reason', 'history'];
  const foreseen = { cycle: 'day', from: '2026-11-27', to: '2026-11-28', dryRun: true };
  expect((await operator.post('/backfills', foreseen)).body.code).toBe('before_beginning');
  expect(await sluice(range)).toMatchObject({ exit: 5 });
  const { id, beforeBeginning } = (await sluice([...range, '--before-beginning', '--json'])).json();
  expect(beforeBeginning).toBe(true);
  const pass = () =>
    openBackfills(api.deps, (facts, text) => {
      throw new Error(`${text} ${JSON.stringify(facts)}`);
    });
  await pass();
  const [first, second] = ['day-2026-11-27-backfill-1', 'day-2026-11-28-backfill-1'] as const;
  expect(await work(first)).toEqual(expect.arrayContaining([`${first} Load`, `${first} Stock`]));
  await pass();
  const { upstream } = (await operator.get(`/runs/${second}/flows/Stock`)).body;
  expect(upstream.filter((json: Json) => json.kind !== 'run').map((json: Json) => json.run)).toEqual([first]);
  await work(second);
  await pass();
  expect((await operator.get(`/backfills/${id}`)).body.state).toBe('finished');
});

import { expect, test } from 'vitest';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';
import { playAgent } from '../../support/play.ts';

const database = await createTestDatabase('lateness');
const api = await startTestApi(database);
const viewer = await api.actor({ name: 'zhao', kind: 'person', roles: ['viewer'] });
const agent = await playAgent(api.pool, 'played');

await applyCatalogue(
  api.pool,
  catalogueText([
    { id: 'Load', names: { en: 'Load bills', zh: '装载账单' } },
    { id: 'Sum', after: ['Load'] },
    { id: 'Side' },
    { id: 'Report', after: ['Sum', 'Side'] },
  ]),
);

const now = async (): Promise<number> => (await api.pool.query('select clock_ms() as now')).rows[0].now;

/** How long the last one of open flows goes on alone, ms. */
const ALONE_MS = 50;

/** A run of the month in which every flow takes its time, ms, as the record accepts it; 'last': longer than all others that are open, however slow those are. */
async function month(period: string, takes: Record<string, number | 'last'>): Promise<string> {
  const run = await openTestRun(api.pool, period);
  await api.coordinator!.settled(run);
  const open: { task: Awaited<ReturnType<typeof agent.claim>>[number]; dueAt: number }[] = [];
  for (let done = 0; done < 4; done++) {
    const tasks = await agent.claim();
    await agent.start(tasks);
    for (const task of tasks) {
      const ms = takes[task.flow] ?? 0;
      open.push({ task, dueAt: ms === 'last' ? Number.POSITIVE_INFINITY : (await now()) + ms });
    }
    open.sort((a, b) => a.dueAt - b.dueAt);
    const { task, dueAt: planned } = open.shift()!;
    const dueAt = planned === Number.POSITIVE_INFINITY ? (await now()) + ALONE_MS : planned;
    for (let left = dueAt - (await now()); left > 0; left = dueAt - (await now()))
      await new Promise((resolve) => setTimeout(resolve, left));
    await agent.end([task]);
    await api.coordinator!.settled(run);
  }
  return run;
}

const late = async (run: string, query = ''): Promise<Json> =>
  (await viewer.get(`/runs/${run}/lateness?${query}`)).body;
const sum = (answer: Json): number => answer.parts.reduce((total: number, part: Json) => total + part.ms, 0);

const august = await month('2030-08', { Load: 50, Side: 'last' });
const september = await month('2030-09', { Load: 30 });
const october = await month('2030-10', { Load: 700 });

test('a later run names the flow that made it late, and its parts add up to the millisecond', async () => {
  const answer = await late(october, 'target=Report');
  expect(answer).toMatchObject({
    run: october,
    target: 'Report',
    reference: { run: september, period: '2030-09', time: null },
  });
  expect(answer.total).toBe(answer.endedAt - answer.expectedAt);
  expect(sum(answer)).toBe(answer.total);
  // The runs of the test are opened now, not when their months begin.
  expect(answer.parts[0]).toMatchObject({ flow: null, kind: 'opening' });
  const load = answer.parts.find((part: Json) => part.flow === 'Load' && part.kind === 'run');
  expect(load).toMatchObject({ names: { zh: '装载账单' } });
  expect(load.ms).toBe(load.today - load.reference);
  expect(load.today).toBeGreaterThanOrEqual(700);
  const own = answer.parts.filter((part: Json) => part.kind !== 'opening');
  expect(Math.max(...own.map((part: Json) => part.ms))).toBe(load.ms);
  expect(answer.flows).toEqual(['Load', 'Sum', 'Report']);
});

test('a branch that had room in the reference is late by less than it grew', async () => {
  const answer = await late(october, `target=Report&against=${august}`);
  expect(sum(answer)).toBe(answer.total);
  const join = answer.parts.find((part: Json) => part.kind === 'float');
  expect(join).toMatchObject({ flow: 'Report', upstream: 'Sum', today: 0 });
  expect(join.ms).toBeLessThan(0);
});

test('the reference is the previous one, one of the same class, the middle of several, or one that is named', async () => {
  const chosen = async (against: string): Promise<string> =>
    (await late(october, `target=Report&against=${against}`)).reference.run;
  expect(await chosen('previous')).toBe(september);
  expect(await chosen('weekday')).toBe(september);
  expect(await chosen(august)).toBe(august);
  // The opening is what differs most: the later the month, the earlier was its run opened, seen from its beginning.
  expect(await chosen('median:1')).toBe(september);
  expect(await chosen('median')).toBe(september);
});

test('the sentence says how late and why, in both languages', async () => {
  // The months are run within a second here, so each is early by the length of a month: its opening counts from its beginning.
  const { text, total } = await late(october, 'target=Report');
  expect(total).toBeLessThan(0);
  expect(text.en).toMatch(new RegExp(`^Report is (29|30|31) d .*earlier than in ${september}\\.$`));
  expect(text.zh).toMatch(new RegExp(`^Report 比 ${september} 早 (29|30|31) 天.*。$`));
});

test('without a run to compare with it says so', async () => {
  expect(await viewer.get(`/runs/${august}/lateness?target=Report`)).toMatchObject({
    status: 404,
    body: { code: 'no_reference', facts: { run: august, flow: 'Report' } },
  });
  expect(await viewer.get(`/runs/${october}/lateness?target=Report&against=month-2001-01`)).toMatchObject({
    status: 404,
    body: { code: 'unknown_run' },
  });
  expect(await viewer.get(`/runs/${october}/lateness?target=Nobody`)).toMatchObject({ status: 404 });
  expect(await viewer.get(`/runs/${october}/lateness?against=median:0`)).toMatchObject({ status: 404 });
});

test('of a run in progress now counts as the end', async () => {
  const run = await openTestRun(api.pool, '2030-11');
  await api.coordinator!.settled(run);
  const answer = await late(run, 'target=Report');
  expect(answer.endedAt).toBeNull();
  expect(answer.total).toBe(answer.now - answer.expectedAt);
  expect(sum(answer)).toBe(answer.total);
});

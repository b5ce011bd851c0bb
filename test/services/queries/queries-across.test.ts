/** Queries that go over the border of a run: an interface of an hour holds up the day and the month, and key flows are late because of it. */
import { expect, test } from 'vitest';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';
import { playAgent } from '../../support/play.ts';

const database = await createTestDatabase('queries_across');
const api = await startTestApi(database);
const analyst = await api.actor({ name: 'li', kind: 'person', roles: ['viewer'] });

const FLOWS = [
  {
    id: 'Calls',
    kind: 'interface',
    cycle: 'hour',
    interface: { no: '20001' },
    referenceAt: '+1 hour, 00:30',
  },
  { id: 'HourSum', cycle: 'hour', after: ['Calls'] },
  {
    id: 'Fee',
    cycle: 'day',
    after: [{ flow: 'HourSum', period: 'everyHourOfDay' }],
    key: true,
    referenceAt: '+1 day, 07:00',
  },
  { id: 'Report', cycle: 'day', after: ['Fee'] },
  { id: 'Month', after: [{ flow: 'Report', period: 'lastDayOfMonth' }], key: true },
];
await applyCatalogue(api.pool, catalogueText(FLOWS));
const agent = await playAgent(api.pool, 'agent-yt');
const hours = Array.from({ length: 24 }, (_, hour) => `20261031${String(hour).padStart(2, '0')}`);
const runs: string[] = [];
for (const hour of hours) runs.push(await openTestRun(api.pool, hour, 'hour'));
runs.push(await openTestRun(api.pool, '2026-10-31', 'day'), await openTestRun(api.pool, '2026-10'));
for (const run of runs) await api.coordinator!.settled(run);
// Every hour is loaded but that of seven.
for (let moved = true; moved; ) {
  const tasks = await agent.claim();
  await agent.start(tasks);
  const late = tasks.filter(({ run, flow }) => run === 'hour-2026103107' && flow === 'Calls');
  if (late.length > 0)
    await agent.end(late, { outcome: 'failed', failure: 'program', message: 'no file', effect: false });
  await agent.end(tasks.filter((task) => !late.includes(task)));
  for (const run of runs) await api.coordinator!.settled(run);
  moved = tasks.length > 0;
}

async function ask(query: string): Promise<Json[]> {
  const { status, body } = await analyst.get(`/queries/${query}`);
  expect({ status, body }).toMatchObject({ status: 200 });
  return body.items;
}

test('Q13 names what an interface of an hour holds up in the day and in the month', async () => {
  expect(await ask('Q13?date=2026-10-31')).toMatchObject([
    {
      interfaceNo: '20001',
      state: 'failed',
      affectedFlows: ['HourSum', 'day-2026-10-31/Fee', 'day-2026-10-31/Report', 'month-2026-10/Month'],
      affectedCount: 4,
      affectedKeyFlows: 2,
    },
  ]);
});

test('Q21 knows it as an interface of key flows', async () => {
  expect(await ask('Q21?date=2026-10-31')).toMatchObject([
    { interfaceNo: '20001', keyFlowsAffected: ['day-2026-10-31/Fee', 'month-2026-10/Month'] },
  ]);
});

test('Q14 goes up from the key flow of a day, and of a month, to the late interface of the hour', async () => {
  const late = { flowId: 'hour-2026103107/Calls', state: 'failed', kind: 'interface' };
  expect(await ask('Q14?date=2026-10-31')).toMatchObject([
    { keyFlow: 'Fee', flowId: 'Fee', depth: 0 },
    { keyFlow: 'Fee', ...late, depth: 2 },
  ]);
  expect(await ask('Q14?date=2026-10')).toMatchObject([
    { keyFlow: 'Month', flowId: 'Month', depth: 0 },
    { keyFlow: 'Month', flowId: 'day-2026-10-31/Fee', depth: 2 },
    { keyFlow: 'Month', ...late, depth: 4 },
  ]);
});

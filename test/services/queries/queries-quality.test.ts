/** Row counts against the other side and against usual, windows, effort by group (Q30, Q34, Q35), over sixteen days. */
import { expect, test } from 'vitest';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';
import { playAgent } from '../../support/play.ts';

const database = await createTestDatabase('queries_quality');
const api = await startTestApi(database);
const analyst = await api.actor({ name: 'zhao', kind: 'person', roles: ['analyst'] });

const day = { cycle: 'day' };
const table = { table: 'users' };
await applyCatalogue(
  api.pool,
  catalogueText(
    [
      {
        id: 'LoadYt',
        ...day,
        kind: 'interface',
        interface: { no: '00123', source: 'DB24' },
        startAt: '+1 day, 02:30',
      },
      {
        id: 'LoadMpp',
        ...day,
        kind: 'interface',
        interface: { no: '00123', source: 'DB60' },
        platform: 'mpp',
        startAt: '+1 day, 04:00',
      },
      { id: 'Sum', ...day, layer: 'DWA' },
      { id: 'Top', ...day, groups: ['top'] },
    ],
    {
      connections: [
        { id: 'yt', platform: 'yt' },
        { id: 'mpp', platform: 'mpp' },
      ],
      distributions: [
        {
          id: 'Users',
          ...day,
          names: { en: 'Users', zh: '用户' },
          columns: ['id'],
          periodColumn: 'period',
          from: { connection: 'mpp', ...table },
          to: { connection: 'yt', ...table },
        },
      ],
    },
  ),
);
const agents = [
  await playAgent(api.pool, 'agent-yt'),
  await playAgent(api.pool, 'agent-mpp', { platform: 'mpp' }),
];

/** Every flow of the day succeeds with `rowsOf` rows; attempts last a second. */
async function playDay(period: string, rowsOf: (flow: string) => number): Promise<void> {
  const run = await openTestRun(api.pool, period, 'day');
  await api.coordinator!.settled(run);
  for (let moved = true; moved; ) {
    moved = false;
    for (const agent of agents) {
      const tasks = await agent.claim();
      await agent.start(tasks);
      for (const task of tasks) await agent.end([task], { rows: rowsOf(task.flow) });
      moved ||= tasks.length > 0;
    }
    await api.coordinator!.settled(run);
  }
  await api.pool.query(
    `update attempts set started_ms = sent_ms, ended_ms = sent_ms + $2 where run_id = $1`,
    [run, period >= '2026-11-16' ? 120_000 : 60_000],
  );
}

for (let n = 7; n <= 21; n++) await playDay(`2026-11-${String(n).padStart(2, '0')}`, () => 100);
await playDay('2026-11-22', (flow) => ({ LoadMpp: 90, 'Users.import': 99, Sum: 130, Top: 115 })[flow] ?? 100);

async function ask(query: string): Promise<Json> {
  const { status, body } = await analyst.get(`/queries/${query}`);
  expect({ status, body }).toMatchObject({ status: 200 });
  return body;
}

test('Q34 names imports that lost rows, platforms that differ, and flows that are far from usual', async () => {
  const { items } = await ask('Q34');
  expect(items).toMatchObject([
    {
      kind: 'import',
      flowId: 'Users.import',
      against: 'Users.export',
      rows: 99,
      reference: 100,
      difference: -1,
      ratio: -0.01,
    },
    { kind: 'platforms', against: expect.stringMatching(/^Load(Yt|Mpp)$/) },
    { kind: 'usual', flowId: 'Sum', against: 'median of 15', rows: 130, reference: 100, ratio: 0.3 },
  ]);
  expect(items).toHaveLength(3);
  const narrow = await ask('Q34?minRatio=0.12&layer=DWA,UNSPECIFIED');
  expect(narrow.items.flatMap((json: Json) => (json.kind === 'usual' ? [json.flowId] : [])).sort()).toEqual([
    'Sum',
    'Top',
  ]);
  // With fewer than seven periods nothing is usual.
  const early = await ask('Q34?date=2026-11-12&minRatio=0');
  expect(early.items).toEqual([]);
});

test('Q30 lists interfaces that start in a window, over midnight, too', async () => {
  const idsIn = async (query: string) => (await ask(`Q30?${query}`)).items.map((json: Json) => json.flowId);
  expect(await idsIn('from=00:00&to=03:00')).toEqual(['LoadYt']);
  expect(await idsIn('from=23:00&to=04:01')).toEqual(['LoadYt', 'LoadMpp']);
  expect(await idsIn('from=00:00&to=23:59&source=DB60')).toEqual(['LoadMpp']);
  const { items } = await ask('Q30');
  expect(items[0]).toMatchObject({
    interfaceNo: '00123',
    source: 'DB24',
    startsAt: Date.parse('2026-11-23T02:30:00+08:00'),
  });
  expect(await analyst.get('/queries/Q30?from=25:00')).toMatchObject({
    status: 400,
    body: { code: 'invalid_request' },
  });
});

test('Q35 compares a week with the one before, by group', async () => {
  const { items } = await ask('Q35');
  expect(items.map((json: Json) => json.group)).toEqual(['DWA', 'UNSPECIFIED', 'top']);
  expect(items[0]).toEqual({
    group: 'DWA',
    flows: 1,
    runs: 7,
    rows: 730,
    rowsBefore: 700,
    rowsTrend: 0.0429,
    avgMin: 2,
    avgMinBefore: 1,
    timeTrend: 1,
    failures: 0,
    failuresBefore: 0,
  });
});

/** Template queries over a day with a past: as JSON, page by page, and as files. */
import { readSheet } from 'read-excel-file/node';
import { expect, test } from 'vitest';
import { csvOf, xlsxOf } from '../../../services/queries/files.ts';
import { QUERIES } from '../../../services/queries/index.ts';
import { numberColumn, textColumn } from '../../../services/queries/query.ts';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';
import { playAgent } from '../../support/play.ts';

const database = await createTestDatabase('queries');
const api = await startTestApi(database);
const analyst = await api.actor({ name: 'zhao', kind: 'person', roles: ['analyst'] });
const operator = await api.actor({ name: 'wang', kind: 'person', roles: ['operator', 'key'] });

const day = { cycle: 'day' };
await applyCatalogue(
  api.pool,
  catalogueText([
    { id: 'Dwd1', ...day, layer: 'DWD', platform: 'yt' },
    { id: 'Dwd2', ...day, layer: 'DWD', platform: 'mpp', key: true, names: { en: '=1+1', zh: '=1+1' } },
    { id: 'Sum', ...day, layer: 'DWA', platform: 'yt', after: ['Dwd1'], groups: ['top'] },
    { id: 'Manual', ...day, layer: 'APP', platform: 'mpp', after: ['Sum'], trigger: 'manual' },
  ]),
);
const agents = {
  yt: await playAgent(api.pool, 'agent-yt'),
  mpp: await playAgent(api.pool, 'agent-mpp', { platform: 'mpp' }),
};

async function openDay(period: string): Promise<string> {
  const run = await openTestRun(api.pool, period, 'day');
  await api.coordinator!.settled(run);
  return run;
}

/** Flows of the run end as said, those behind them, too; there must be nothing else for agents. */
async function play(run: string, ends: Readonly<Record<string, 'succeeded' | 'failed'>>): Promise<void> {
  for (let moved = true; moved; ) {
    moved = false;
    for (const agent of Object.values(agents)) {
      const tasks = await agent.claim();
      await agent.start(tasks);
      for (const task of tasks) {
        const failure = ends[task.flow] === 'failed' ? ('program' as const) : null;
        await agent.end([task], { outcome: ends[task.flow]!, failure, effect: true });
        moved = true;
      }
    }
    await api.coordinator!.settled(run);
  }
}

async function ask(query: string): Promise<Json> {
  const { status, body } = await analyst.get(`/queries/${query}`);
  expect({ status, body }).toMatchObject({ status: 200 });
  return body;
}

await play(await openDay('2026-11-20'), { Dwd1: 'succeeded', Dwd2: 'succeeded', Sum: 'succeeded' });
await play(await openDay('2026-11-21'), { Dwd1: 'succeeded', Dwd2: 'succeeded', Sum: 'succeeded' });
// They were done a day after the beginning of their period; Sum of the 20th later than that day has come today.
await api.pool.query(
  `update run_flows set result_ms = extract(epoch from timestamptz '2026-11-20 00:00+08')::bigint * 1000 + 86400000
     + case when run_id = 'day-2026-11-21' then 86400000 when flow_id = 'Sum' then 86400000::bigint * 30000 else 0 end
   where run_id in ('day-2026-11-20', 'day-2026-11-21') and result is not null`,
);
const today = await openDay('2026-11-22');
const request = { flows: ['Sum'], reason: 'test', evidence: 'ticket 4711' };
expect(await operator.post(`/runs/${today}/force-pass`, request)).toMatchObject({
  body: { state: 'applied' },
});
await play(today, { Dwd1: 'succeeded', Dwd2: 'failed' });

test('Q01 counts the flows of a day by platform and state, and compares with this time of earlier days', async () => {
  const { about, items, total } = await ask('Q01');
  expect(about).toEqual({ date: '2026-11-22' });
  expect(total).toBe(2);
  expect(items).toMatchObject([
    // Dwd2 was done on both days before; Manual never.
    {
      platform: 'mpp',
      total: 2,
      succeeded: 0,
      forced: 0,
      failed: 1,
      notTriggered: 1,
      referenceCount: 1,
      offsetRatio: -1,
    },
    {
      platform: 'yt',
      total: 2,
      succeeded: 1,
      forced: 1,
      failed: 0,
      referenceCount: 1.5,
      offsetRatio: 0.3333,
    },
  ]);
  // A failure completes nothing.
  expect(items[0].lastCompletionAt).toBe(null);
  const last = await analyst.get(`/runs/${today}/flows/Dwd1`);
  expect(items[1].lastCompletionAt).toBe(last.body.resultAt);
});

test('Q02 counts base-layer programs by platform and batch', async () => {
  const { items } = await ask('Q02?platform=yt,mpp');
  expect(items).toMatchObject([
    { platform: 'mpp', dwdTotal: 1, dwdDone: 0, dwdFailed: 1 },
    { platform: 'yt', dwdTotal: 1, dwdDone: 1, dwdFailed: 0 },
  ]);
  for (const { batch } of items) expect(batch).toMatch(/^\d\d$/);
});

test('a page ends where it was asked to, and the next one goes on there', async () => {
  const first = await ask('Q01?limit=1');
  expect(first).toMatchObject({ total: 2, items: [{ platform: 'mpp' }] });
  const second = await ask(`Q01?limit=1&cursor=${first.nextCursor}`);
  expect(second).toMatchObject({ total: 2, items: [{ platform: 'yt' }], nextCursor: null });
});

test('a day without a run has no rows; what is no day, no input or no query is refused by name', async () => {
  expect(await ask('Q01?date=2026-01-01')).toMatchObject({
    about: { date: '2026-01-01' },
    total: 0,
    items: [],
  });
  expect(await analyst.get('/queries/Q01?date=2026-13-01')).toMatchObject({
    status: 400,
    body: { code: 'invalid_period' },
  });
  expect(await analyst.get('/queries/Q01?dat=2026-11-22')).toMatchObject({
    status: 400,
    body: { code: 'invalid_request' },
  });
  expect(await analyst.get('/queries/Q99')).toMatchObject({ status: 404, body: { code: 'unknown_query' } });
});

test('the list says of each query what it asks, its inputs and its columns', async () => {
  const { status, body } = await analyst.get('/queries');
  expect(status).toBe(200);
  const q01 = body.items.find((json: Json) => json.id === 'Q01');
  expect(q01).toMatchObject({ category: 'system', inputs: ['date', 'platform', 'group'] });
  const { items, columns } = await ask('Q01');
  expect(columns).toEqual(q01.columns);
  expect(Object.keys(items[0])).toEqual(columns.map((json: Json) => json.key));
});

test('Q01 and Q02 take a group; Q16 asks about key flows where no group of the handbook is there', async () => {
  expect((await ask('Q01?group=top')).items).toMatchObject([{ platform: 'yt', total: 1, forced: 1 }]);
  expect((await ask('Q02?group=top')).items).toEqual([]);
  const { about, items } = await ask('Q16');
  expect(about).toEqual({ date: '2026-11-22' });
  expect(items).toMatchObject([{ flowId: 'Dwd2', state: 'failed' }]);
});

/** The answer as it came over the wire. */
async function file(
  query: string,
  language: string,
): Promise<{ body: Buffer; headers: Record<string, unknown> }> {
  const { statusCode, rawPayload, headers } = await api.app.inject({
    url: `/api/v1/queries/${query}`,
    headers: { authorization: `Bearer ${analyst.token}`, 'accept-language': language },
  });
  expect(statusCode).toBe(200);
  return { body: rawPayload, headers };
}

test('as CSV all rows come at once, in the language asked for, readable by Excel', async () => {
  const { body, headers } = await file('Q01?format=csv&limit=1', 'zh');
  expect(headers['content-type']).toBe('text/csv; charset=utf-8');
  expect(headers['content-disposition']).toBe('attachment; filename="Q01.csv"');
  expect([...body.subarray(0, 3)]).toEqual([0xef, 0xbb, 0xbf]);
  const lines = body.subarray(3).toString().trimEnd().split('\r\n');
  expect(lines).toHaveLength(3);
  expect(lines[0]).toMatch(/^平台,总数,执行成功,强制通过,/);
  expect(lines[2]).toMatch(/^yt,2,1,1,0,0,0,0,0,0,2026-\d\d-\d\d \d\d:\d\d:\d\d,1.5,0.3333$/);
});

test('as xlsx numbers are numbers and texts are texts', async () => {
  const { body, headers } = await file('Q01?format=xlsx', 'en');
  expect(headers['content-type']).toContain('spreadsheetml');
  const sheet = await readSheet(body);
  expect(sheet[0]!.slice(0, 4)).toEqual(['platform', 'total', 'succeeded', 'passed']);
  expect(sheet[1]!.slice(0, 4)).toEqual(['mpp', 2, 0, 0]);
  expect(sheet[2]!.at(-1)).toBe(0.3333);
});

/** For whom files are written. */
const reader = { language: 'en', zone: 'Asia/Shanghai' } as const;

test.each([
  ['a control character', 'a\u0001b', 'ab'],
  ['a character that is none', 'a\ufffeb', 'ab'],
  ['markup', '<b>&"\n\u{1f600}', '<b>&"\n\u{1f600}'],
  ['more than a cell holds', 'x'.repeat(40_000), `${'x'.repeat(32_766)}…`],
])('%s in a text does not damage the sheet', async (_what, text, want) => {
  const query = { ...QUERIES[0]!, columns: { name: textColumn('name', '名称') } };
  const sheet = await readSheet(await xlsxOf(query, [{ name: text }], reader));
  expect(sheet[1]![0]).toBe(want);
});

test('text that begins like a formula stays text in files', () => {
  const query = { ...QUERIES[0]!, columns: { name: textColumn('name', '名称') } };
  const cells = { name: '-', n: -1 };
  const both = { ...query, columns: { ...query.columns, n: numberColumn('n', 'n') } };
  expect(csvOf(both, [cells], reader)).toBe("\ufeffname,n\r\n'-,-1\r\n");
  for (const text of ['=1+1', '+1', '-1', '@cmd', '\t=1'])
    expect(csvOf(query, [{ name: text }], reader)).toBe(`\ufeffname\r\n'${text}\r\n`);
});

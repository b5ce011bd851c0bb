/** Corrections of tables: who has used the old rows, over days, a distribution and the month; and every other answer. */
import { beforeAll, describe, expect, test } from 'vitest';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';
import { playAgent } from '../../support/play.ts';

const database = await createTestDatabase('corrections');
const api = await startTestApi(database);
const ann = await api.actor({ name: 'ann', kind: 'person', roles: ['operator'] });
const bob = await api.actor({
  name: 'bob',
  kind: 'person',
  roles: ['operator'],
  scope: { procedures: [], flows: ['Other'], platforms: [] },
});
const agents = [await playAgent(api.pool, 'a1'), await playAgent(api.pool, 'a2', { platform: 'mpp' })];

/** Days load and merge; their results are copied to mpp; the month adds them up; its last flow is only ordered after it. */
await applyCatalogue(
  api.pool,
  JSON.stringify({
    ...JSON.parse(
      catalogueText(
        [
          { id: 'Load', cycle: 'day', reads: ['ods.src'], writes: ['ods.call'] },
          { id: 'Merge', cycle: 'day', after: ['Load'], reads: ['ods.call'], writes: ['dwd.call'] },
          { id: 'Log', cycle: 'day', after: ['Merge'], reads: ['sys.l'], writes: ['dwd.log'] },
          {
            id: 'Sum',
            after: [{ flow: 'Merge', period: 'everyDayOfMonth' }],
            reads: ['dwd.call'],
            writes: ['dwa.sum'],
          },
          { id: 'Rate', after: ['Sum'], reads: ['dwa.sum', 'ods.rate'], writes: ['dwa.fee'], key: true },
          { id: 'Report', after: ['Rate'], reads: ['dim.x'], writes: ['rep.x'] },
          { id: 'Other', reads: ['other.t'], writes: ['other.u'] },
          { id: 'Twice', reads: ['both.t'], writes: ['both.t'] },
          { id: 'Late', after: ['Rate'], trigger: 'manual', reads: ['dwa.fee'], writes: ['late.t'] },
        ],
        {
          connections: [
            { id: 'yt', platform: 'yt' },
            { id: 'mpp', platform: 'mpp' },
          ],
        },
      ),
    ),
    distributions: [
      {
        id: 'Dist',
        names: { en: 'd', zh: '分发' },
        cycle: 'day',
        from: { connection: 'yt', table: 'dwd.call' },
        to: { connection: 'mpp', table: 'dwd.call' },
        columns: ['a'],
        periodColumn: 'a',
        after: ['Merge'],
        reads: ['dwd.call'],
        writes: ['dwd.call'],
      },
    ],
  }),
);

const settleAll = async (): Promise<void> => {
  const runs = await api.pool.query<{ id: string }>("select id from runs where state = 'open' order by id");
  for (let i = 0; i < 3; i++) for (const { id } of runs.rows) await api.coordinator!.settled(id);
};

async function work(): Promise<void> {
  for (;;) {
    await settleAll();
    let done = 0;
    for (const agent of agents) {
      const tasks = await agent.claim();
      await agent.start(tasks);
      await agent.end(tasks);
      done += tasks.length;
    }
    if (done === 0) return;
  }
}

async function generations(): Promise<Record<string, number>> {
  const found = await api.pool.query<{ flow: string; generation: number }>(
    "select run_id || ' ' || flow_id as flow, generation from run_flows",
  );
  return Object.fromEntries(found.rows.map((row) => [row.flow, row.generation]));
}

let n = 0;
const correct = async (table: string, period: string, more: object = {}): Promise<Json> => {
  const headers = { 'idempotency-key': `key-${n++}` };
  return ann.post('/corrections', { table, period, reason: 'wrong rows', ...more }, headers);
};

/** `run: flows` of what has to be redone. */
const redoIn = ({ body }: Json): Record<string, string[]> =>
  Object.fromEntries(
    body.runs.map((it: Json) => [
      it.run,
      it.redo.map((row: Json) => (row.reader ? `${row.flow} *` : row.flow)),
    ]),
  );

describe('a correction before anything has run', () => {
  test('says that no run of the period was opened', async () => {
    expect(await correct('ods.src', '2026-10-30')).toMatchObject({
      status: 200,
      body: { outcome: 'period_not_run', runs: [], leftOut: [] },
    });
  });

  test('says that nothing has begun', async () => {
    await openTestRun(api.pool, '2026-09-30', 'day');
    expect(await correct('ods.src', '2026-09-30')).toMatchObject({
      body: { outcome: 'not_used', runs: [] },
    });
  });
});

describe('a correction after days and month are done', () => {
  beforeAll(async () => {
    await openTestRun(api.pool, '2026-10-30', 'day');
    await openTestRun(api.pool, '2026-10-31', 'day');
    const month = await openTestRun(api.pool, '2026-10');
    await settleAll();
    const edges = await api.pool.query(
      'select distinct upstream_run as run from subscriptions where run_id = $1 and upstream_run not in (select id from runs)',
      [month],
    );
    const waived = edges.rows.map(({ run }) => ({ from: 'Merge', to: 'Sum', run }));
    expect(await ann.post(`/runs/${month}/waive`, { edges: waived, reason: 'few days' })).toMatchObject({
      status: 200,
    });
    await work();
  });

  test('reaches the day, its distribution and the month, and spares what is only ordered after them', async () => {
    const answer = await correct('ods.src', '2026-10-31');
    expect(answer.body.outcome).toBe('redo');
    expect(redoIn(answer)).toEqual({
      'day-2026-10-31': ['Load *', 'Merge', 'Dist.export', 'Dist.import'],
      'month-2026-10': ['Sum', 'Rate'],
    });
    const of = (run: string): Json => answer.body.runs.find((it: Json) => it.run === run);
    expect(of('day-2026-10-31').spared).toEqual(['Log']);
    expect(of('month-2026-10').spared).toEqual(['Report']);
    expect(of('month-2026-10').waiting).toEqual(['Late']);
    expect(of('month-2026-10').redo.find((row: Json) => row.flow === 'Rate')).toMatchObject({ key: true });
  });

  test('an edge to the writer says which period is read: a day of the month', async () => {
    const answer = await correct('dwd.call', '2026-10-30', { platform: 'yt' });
    expect(redoIn(answer)).toEqual({
      'day-2026-10-30': ['Dist.export *', 'Dist.import'],
      'month-2026-10': ['Sum *', 'Rate'],
    });
  });

  test('without an edge to a writer, the run reads it whose period contains the corrected one', async () => {
    expect(redoIn(await correct('ods.rate', '2026-10-05'))).toEqual({ 'month-2026-10': ['Rate *'] });
    expect(redoIn(await correct('ods.rate', '2026-10'))).toEqual({ 'month-2026-10': ['Rate *'] });
    expect((await correct('ods.rate', '2026-11-05')).body.outcome).toBe('period_not_run');
  });

  test('a table that nobody reads needs no rerun', async () => {
    expect((await correct('rep.x', '2026-10')).body).toMatchObject({ outcome: 'not_read', runs: [] });
  });

  test('a flow that reads the table and writes it is not redone: it would overwrite the correction', async () => {
    expect((await correct('both.t', '2026-10')).body).toMatchObject({
      outcome: 'not_read',
      writers: ['Twice'],
    });
  });

  test('upper and lower case are the same table', async () => {
    expect(redoIn(await correct('ODS.Rate', '2026-10'))).toEqual({ 'month-2026-10': ['Rate *'] });
  });

  test('two platforms with a table of that name: the one that is meant has to be said', async () => {
    expect(await correct('dwd.call', '2026-10-31')).toMatchObject({
      status: 409,
      body: { code: 'ambiguous_table', facts: { platforms: ['mpp', 'yt'] } },
    });
    expect((await correct('dwd.call', '2026-10-31', { platform: 'mpp' })).body.outcome).toBe('not_read');
  });

  test('a plan redoes it in all its runs, each flow once; then nothing is left', async () => {
    const { id } = (await correct('ods.src', '2026-10-31')).body;
    const made = await ann.post(`/corrections/${id}/rerun-plans`, {});
    expect(made).toMatchObject({
      status: 201,
      body: { run: 'day-2026-10-31', scope: 'stale', correction: id, becomeStale: ['Log'] },
    });
    expect(made.body.members.map((row: Json) => row.flow)).toEqual([
      'Load',
      'Merge',
      'Dist.export',
      'Dist.import',
    ]);
    expect(made.body.otherRuns).toMatchObject([
      { run: 'month-2026-10', members: [{ flow: 'Sum' }, { flow: 'Rate' }, { flow: 'Late', redone: false }] },
    ]);
    const before = await generations();
    const path = `/runs/${made.body.run}/rerun-plans/${made.body.id}`;
    expect((await ann.get(path)).body).toMatchObject({ scope: 'stale', correction: id });
    expect(await ann.post(`${path}/apply`, { reason: 'late file' })).toMatchObject({ status: 200 });
    await work();
    const after = await generations();
    const redone = Object.keys(after).filter((flow) => after[flow] !== before[flow]);
    expect(redone.toSorted()).toEqual(
      ['Dist.export', 'Dist.import', 'Load', 'Merge', 'Rate', 'Sum'].map((flow) =>
        ['Rate', 'Sum'].includes(flow) ? `month-2026-10 ${flow}` : `day-2026-10-31 ${flow}`,
      ),
    );
    expect((await ann.get(`/corrections/${id}`)).body).toMatchObject({
      outcome: 'not_used',
      runs: [],
    });
    expect(await ann.post(`/corrections/${id}/rerun-plans`, {})).toMatchObject({
      status: 409,
      body: { code: 'wrong_state' },
    });
  });

  test('a rerun that began after the correction has used the new rows', async () => {
    const month = 'month-2026-10';
    const id = (await correct('ods.rate', '2026-10')).body.id;
    const made = await ann.post(`/runs/${month}/rerun-plans`, { flows: ['Rate'], scope: 'only' });
    await ann.post(`/runs/${month}/rerun-plans/${made.body.id}/apply`, { reason: 'redo' });
    await work();
    expect(await ann.get(`/corrections/${id}`)).toMatchObject({
      body: { outcome: 'not_used', runs: [] },
    });
  });

  test('a closed run stays as it is, with what to do about it', async () => {
    await ann.post('/runs/day-2026-10-30/close', { reason: 'over' });
    await settleAll();
    const answer = await correct('sys.l', '2026-10-30');
    expect(answer.body).toMatchObject({
      outcome: 'left_out',
      leftOut: [{ run: 'day-2026-10-30', code: 'run_closed' }],
    });
    expect(answer.body.leftOut[0].command).toMatch(/^sluice run reopen day-2026-10-30 /);
  });
});

describe('at the door', () => {
  test('a table that no flow has, with a name that was perhaps meant', async () => {
    const answer = await correct('ods.srk', '2026-10-31');
    expect(answer).toMatchObject({ status: 404, body: { code: 'unknown_table' } });
    expect(JSON.stringify(answer.body)).toContain('ods.src');
  });

  test.each(['2026-13', '2026-02-30', '20261031', 'x'])('no period: %s', async (period) => {
    expect(await correct('ods.src', period)).toMatchObject({ status: 400, body: { code: 'invalid_period' } });
  });

  test('a reason is needed', async () => {
    expect(await correct('ods.src', '2026-10-31', { reason: ' ' })).toMatchObject({ status: 400 });
  });

  test('the same key again is the same correction; with another table it is refused', async () => {
    const body = { table: 'ods.src', period: '2026-10-31', reason: 'late file' };
    const key = { 'idempotency-key': 'once' };
    const first = await ann.post('/corrections', body, key);
    const again = await ann.post('/corrections', body, key);
    expect([first.status, again.status, again.body.id]).toEqual([200, 200, first.body.id]);
    expect(await ann.post('/corrections', { ...body, table: 'ods.rate' }, key)).toMatchObject({
      body: { code: 'idempotency_key_reused' },
    });
  });

  test('somebody whose scope lacks the readers may not report it, and nothing is written', async () => {
    const before = (await ann.get('/corrections?limit=1000')).body.items.length;
    const body = { table: 'ods.src', period: '2026-10-31', reason: 'x' };
    expect(await bob.post('/corrections', body, { 'idempotency-key': 'b' })).toMatchObject({
      status: 403,
      body: { code: 'out_of_scope' },
    });
    expect((await ann.get('/corrections?limit=1000')).body.items).toHaveLength(before);
  });

  test('one that does not exist', async () => {
    expect(await ann.get('/corrections/nothing')).toMatchObject({
      status: 404,
      body: { code: 'unknown_correction' },
    });
  });

  test('corrections are listed, the newest first, by table and period', async () => {
    const { items } = (await ann.get('/corrections?table=ods.rate&period=2026-10')).body;
    expect(items.length).toBeGreaterThan(1);
    expect(items.every((it: Json) => it.table === 'ods.rate' && it.actor === 'ann')).toBe(true);
    expect(items.map((it: Json) => it.at)).toEqual(
      items.map((it: Json) => it.at).toSorted((a: number, b: number) => b - a),
    );
  });
});

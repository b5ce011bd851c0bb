import { expect, test } from 'vitest';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';

const database = await createTestDatabase('runs');
const api = await startTestApi(database);
const names = { en: 'Procedure', zh: '规程' };
await applyCatalogue(
  api.pool,
  catalogueText(
    [
      { id: 'A', procedure: 'P01', layer: 'DWD', names: { en: 'Bill merge', zh: '账单合并' } },
      { id: 'B', procedure: 'P01', layer: 'DWA', after: ['A'], aliases: ['OLD_B'] },
      { id: 'C', procedure: 'P02', kind: 'gate', person: { role: 'billing' } },
      { id: 'DAY', cycle: 'day' },
    ],
    {
      procedures: [
        { id: 'P01', names, owner: 'x', cycle: 'month' },
        { id: 'P02', names, owner: 'x', cycle: 'month' },
      ],
    },
  ),
);
const ann = await api.actor({ name: 'ann', kind: 'person', roles: ['operator'] });
const open = (body: object, headers: Record<string, string> = {}) =>
  ann.post('/runs', { cycle: 'month', ...body }, headers);

test('a run is opened once; the second opening answers with the run that is there', async () => {
  const first = await open({ period: '2026-10' });
  expect(first).toMatchObject({
    status: 202,
    headers: { location: '/api/v1/runs/month-2026-10' },
    body: {
      id: 'month-2026-10',
      purpose: 'scheduled',
      state: 'open',
      paused: false,
      flows: 3,
      counts: {
        waiting_agent: 1,
        waiting_upstream: 1,
        waiting_person: 1,
        succeeded: 0,
        skipped: 0,
        force_passed: 0,
      },
    },
  });
  expect(await open({ period: '2026-10' })).toMatchObject({
    status: 409,
    body: { code: 'run_exists', facts: { run: 'month-2026-10' } },
  });
  const audit = await ann.get('/audit?run=month-2026-10');
  expect(audit.body.items.map((json: Json) => [json.verb, json.outcome])).toEqual([['open', 'applied']]);
});

test('the same key opens one backfill, however often and at once it is asked', async () => {
  const asked = { period: '2026-09', purpose: 'backfill' };
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => open(asked, { 'idempotency-key': 'open-1' })),
  );
  expect(new Set(answers.map((answer) => answer.body.id))).toEqual(new Set(['month-2026-09-backfill-1']));
  expect((await open({ ...asked, period: '2026-08' }, { 'idempotency-key': 'open-1' })).status).toBe(422);
  expect((await open(asked)).body.id).toBe('month-2026-09-backfill-2');
});

test('what cannot be opened is refused with its own code', async () => {
  expect(await open({ period: '2026-13' })).toMatchObject({ status: 400, body: { code: 'invalid_period' } });
  expect(await open({ cycle: 'hour', period: '2026112208' })).toMatchObject({
    status: 409,
    body: { code: 'no_flows' },
  });
  expect(await open({ period: '2026-07', procedures: ['P1'] })).toMatchObject({
    status: 404,
    body: { code: 'unknown_procedure', facts: { near: expect.arrayContaining(['P01']) } },
  });
  const rows = await api.pool.query("select 1 from runs where period in ('2026-13', '2026-07')");
  expect(rows.rowCount).toBe(0);
});

test('a run opened for one procedure leaves the other flows not triggered', async () => {
  const run = await open({ period: '2026-06', procedures: ['P02'] });
  expect(run.body.counts).toMatchObject({ not_triggered: 2, waiting_person: 1 });
});

test('runs and flows are listed in pages that fit together', async () => {
  for (let month = 1; month <= 5; month++) await open({ period: `2020-0${month}` });
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const page: Json = await ann.get(
      `/runs?limit=2&cycle=month&purpose=scheduled${cursor === null ? '' : `&cursor=${cursor}`}`,
    );
    expect(page.status).toBe(200);
    expect(page.body.items.length).toBeLessThanOrEqual(2);
    seen.push(...page.body.items.map((json: Json) => json.id));
    cursor = page.body.nextCursor;
  } while (cursor !== null);
  expect(seen.filter((id) => id.startsWith('month-2020'))).toHaveLength(5);
  expect(new Set(seen).size).toBe(seen.length);
  expect(await ann.get('/runs?cursor=nonsense')).toMatchObject({
    status: 400,
    body: { code: 'invalid_cursor' },
  });

  const first = await ann.get('/runs/month-2026-10/flows?limit=2');
  const second = await ann.get(`/runs/month-2026-10/flows?limit=2&cursor=${first.body.nextCursor}`);
  expect([...first.body.items, ...second.body.items].map((json: Json) => json.id)).toEqual(['A', 'C', 'B']);
  expect(second.body.nextCursor).toBeNull();
});

test('flows are filtered by what the catalogue and what the record says', async () => {
  const ids = async (query: string) =>
    (await ann.get(`/runs/month-2026-10/flows?${query}`)).body.items.map((json: Json) => json.id);
  expect(await ids('procedure=P01')).toEqual(['A', 'B']);
  expect(await ids('layer=DWD,DWA&state=waiting_upstream')).toEqual(['B']);
  expect(await ids('kind=gate')).toEqual(['C']);
  expect(await ids(`q=${encodeURIComponent('账单')}`)).toEqual(['A']);
  expect(await ids('q=old_b')).toEqual(['B']);
  await ann.post('/runs/month-2026-10/hold', { flows: ['OLD_B'], reason: 'by its former name' });
  expect(await ids('flag=held')).toEqual(['B']);
  expect((await ann.get('/runs/month-2026-10')).body.held).toBe(1);
  expect(await ann.get('/runs/month-2026-10/flows?state=nowhere')).toMatchObject({
    status: 400,
    body: { code: 'invalid_request', errors: [{ in: 'query', pointer: '/state/0' }] },
  });
});

test('a paused run says so; a closed one refuses verbs until it is reopened', async () => {
  const run = 'month-2020-01';
  expect((await ann.post(`/runs/${run}/pause`, {})).body.code).toBe('reason_required');
  expect((await ann.post(`/runs/${run}/pause`, { reason: 'maintenance' })).status).toBe(200);
  expect((await ann.get(`/runs/${run}`)).body.paused).toBe(true);
  expect((await ann.get(`/runs/${run}/flows/A`)).body.blockers).toMatchObject([
    { code: 'paused' },
    { code: 'no_agent' },
  ]);
  expect((await ann.post(`/runs/${run}/resume`)).status).toBe(200);
  expect((await ann.get(`/runs/${run}`)).body.paused).toBe(false);

  expect((await ann.post(`/runs/${run}/close`, { reason: 'done' })).status).toBe(200);
  expect(await ann.post(`/runs/${run}/hold`, { flows: ['A'], reason: 'r' })).toMatchObject({
    status: 409,
    body: { code: 'run_closed' },
  });
  expect((await ann.post(`/runs/${run}/reopen`, { reason: 'not done' })).status).toBe(200);
  expect((await ann.post(`/runs/${run}/hold`, { flows: ['A'], reason: 'r' })).status).toBe(200);
});

test('pausing twice, resuming what runs and reopening what is open are refused by their own codes', async () => {
  const run = await openTestRun(api.pool, '2077-01');
  const say = (verb: string) => ann.post(`/runs/${run}/${verb}`, { reason: 'x' });
  expect((await say('resume')).body.code).toBe('not_paused');
  expect((await say('pause')).status).toBe(200);
  expect((await say('pause')).body.code).toBe('already_paused');
  expect((await say('resume')).status).toBe(200);
  expect((await say('reopen')).body.code).toBe('not_closed');
});

test('a frozen run takes no verbs until a maintainer reloads it', async () => {
  const run = 'month-2020-02';
  await api.pool.query("update runs set frozen = 'restored?' where id = $1", [run]);
  expect(await ann.post(`/runs/${run}/hold`, { flows: ['A'], reason: 'r' })).toMatchObject({
    status: 409,
    body: { code: 'run_frozen' },
  });
  const max = await api.actor({ name: 'max', kind: 'person', roles: ['maintainer'] });
  expect((await ann.post(`/runs/${run}/reload`, { reason: 'checked' })).status).toBe(403);
  expect((await max.post(`/runs/${run}/reload`, { reason: 'checked' })).body.frozen).toBeNull();
  expect((await ann.post(`/runs/${run}/hold`, { flows: ['A'], reason: 'r' })).status).toBe(200);
});

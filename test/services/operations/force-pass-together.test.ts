/** A force-pass over several runs, one of which wants a second person (protocol B4, E4): in all of them or in none. */
import { expect, test } from 'vitest';
import { startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';

const database = await createTestDatabase('force-pass-together');
const api = await startTestApi(database);
const person = (name: string, ...roles: string[]) =>
  api.actor({ name, kind: 'person', roles: ['operator', ...roles] });
const ann = await person('ann', 'key');
const bob = await person('bob');
const eve = await person('eve');

await applyCatalogue(
  api.pool,
  catalogueText([
    { id: 'B', cycle: 'day' },
    { id: 'C', cycle: 'day', after: ['B'] },
    // Nobody does it, so the month waits on when C is done.
    { id: 'D', cycle: 'day' },
    {
      id: 'M',
      after: [
        { flow: 'C', period: 'lastDayOfMonth' },
        { flow: 'D', period: 'lastDayOfMonth' },
      ],
    },
    { id: 'K', after: ['M'], key: true },
  ]),
);
const runs = [
  await openTestRun(api.pool, '2031-01-31', 'day'),
  await openTestRun(api.pool, '2031-01'),
] as const;
for (const run of runs) await api.coordinator!.settled(run);

test('B4: a force-pass over several runs that needs a second person waits in all of them, and is approved or refused in all', async () => {
  const body = {
    flows: ['C'],
    reason: 'by hand',
    evidence: 'ticket',
    otherRuns: [{ run: runs[1], flows: ['K'] }],
  };
  const state = async (run: string, flow: string): Promise<string> =>
    (await ann.get(`/runs/${run}/flows/${flow}`)).body.state;
  const both = () => Promise.all([state(runs[0], 'C'), state(runs[1], 'K')]);
  const ask = (key: string) => bob.post(`/runs/${runs[0]}/force-pass`, body, { 'idempotency-key': key });

  const first = await ask('two');
  expect(first).toMatchObject({ status: 202, body: { state: 'approval_required', run: runs[0] } });
  const { id } = first.body;
  expect((await ask('two')).body.id).toBe(id);
  const { rows } = await api.pool.query<{ id: string; run: string; state: string }>(
    'select id, run_id as run, state from operations where together = $1 order by run_id',
    [id],
  );
  expect(rows.map((row) => `${row.run} ${row.state}`)).toEqual([
    `${runs[0]} approval_required`,
    `${runs[1]} approval_required`,
  ]);
  expect(await both()).toEqual(['waiting_upstream', 'waiting_upstream']);
  expect((await bob.post(`/operations/${id}/approve`, {})).body.code).toBe('own_approval');

  // Refused by whichever of its operations, it is over in all runs.
  expect((await eve.post(`/operations/${rows[1]!.id}/refuse`, { reason: 'no' })).body.state).toBe('refused');
  expect((await eve.post(`/operations/${id}/approve`, {})).body.code).toBe('not_awaiting_approval');
  expect(await both()).toEqual(['waiting_upstream', 'waiting_upstream']);

  // What one run would refuse by now keeps it out of the other.
  const second = (await ask('three')).body.id;
  expect(await ann.post(`/runs/${runs[0]}/retire`, { flows: ['C'], reason: 'meanwhile' })).toMatchObject({
    status: 200,
  });
  expect((await eve.post(`/operations/${second}/approve`, {})).body).toMatchObject({
    code: 'wrong_state',
    facts: { run: runs[0] },
  });
  expect(await both()).toEqual(['retired', 'waiting_upstream']);
  await ann.post(`/runs/${runs[0]}/unretire`, { flows: ['C'], reason: 'back' });

  const approvals = await Promise.all([
    eve.post(`/operations/${second}/approve`, { reason: 'seen' }),
    eve.post(`/operations/${second}/approve`, { reason: 'seen' }),
  ]);
  expect(approvals.map((approval) => approval.body.state)).toEqual(['applied', 'applied']);
  expect(await both()).toEqual(['force_passed', 'force_passed']);
  const done = await api.pool.query('select state, approved_by from operations where together = $1', [
    second,
  ]);
  expect(done.rows).toEqual([
    { state: 'applied', approved_by: 'eve' },
    { state: 'applied', approved_by: 'eve' },
  ]);
});

test('a known key of one run gives no right in another: each part of a request needs its own', async () => {
  const scoped = await api.actor({
    name: 'scoped',
    kind: 'person',
    roles: ['operator'],
    scope: { procedures: [], flows: ['B'], platforms: [] },
  });
  const [day, month] = [
    await openTestRun(api.pool, '2031-03-31', 'day'),
    await openTestRun(api.pool, '2031-03'),
  ];
  for (const run of [day, month]) await api.coordinator!.settled(run);
  // As a request to several runs is logged.
  const own = { flows: ['B'], reason: 'by hand', evidence: 'ticket', supersede: true };
  const others = { otherRuns: [{ run: month, flows: ['M'] }] };
  const ask = (who: typeof scoped, body: object, key: string) =>
    who.post(`/runs/${day}/force-pass`, body, { 'idempotency-key': key });

  expect((await ask(scoped, { ...own, ...others }, 'fresh')).body.code).toBe('out_of_scope');
  expect((await ask(scoped, own, 'known')).body.state).toBe('applied');
  const attack = await ask(scoped, { ...own, ...others }, 'known');
  expect(attack.body.code).toBe('out_of_scope');
  expect((await bob.get(`/runs/${month}/flows/M`)).body.state).toBe('waiting_upstream');

  // With the right in both runs the key is still that of another request.
  expect((await ask(bob, { ...own, flows: ['C'] }, 'bobs')).body.state).toBe('applied');
  const wider = await ask(bob, { ...own, flows: ['C'], ...others }, 'bobs');
  expect(wider).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } });
  expect((await bob.get(`/runs/${month}/flows/M`)).body.state).toBe('waiting_upstream');

  // The reverse: the first part's key alone answers what was asked for under it.
  expect((await ask(bob, { ...own, flows: ['C'] }, 'bobs')).body.state).toBe('applied');
});

import { expect, test } from 'vitest';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';

const database = await createTestDatabase('operations');
const api = await startTestApi(database);
await applyCatalogue(
  api.pool,
  catalogueText([
    { id: 'A' },
    { id: 'B', after: ['A'] },
    { id: 'C', after: ['B'] },
    { id: 'KEY', key: true },
    { id: 'GATE', kind: 'gate', person: { role: 'billing' } },
    { id: 'BEHIND', after: ['GATE'] },
    { id: 'LAST', after: ['C', 'BEHIND'], forcePassRequires: ['C'] },
  ]),
);
const ann = await api.actor({ name: 'ann', kind: 'person', roles: ['operator'] });
const bob = await api.actor({ name: 'bob', kind: 'person', roles: ['operator'] });
const billing = await api.actor({ name: 'bill', kind: 'person', roles: ['billing'] });
const because = { reason: 'checked by hand', evidence: 'ticket 7' };

let month = 0;
const freshRun = () => openTestRun(api.pool, `${2000 + ++month}-01`);

test('B2: a force-passed flow releases its downstream flows, and the answer comes after that', async () => {
  const run = await freshRun();
  const answer = await ann.post(`/runs/${run}/force-pass`, { flows: ['A'], ...because });
  expect(answer).toMatchObject({
    status: 200,
    body: {
      state: 'applied',
      verb: 'force-pass',
      outcome: { code: null, flows: [{ flow: 'A', code: null }] },
    },
  });
  const waiting = await api.pool.query("select flow_id from outbox where run_id = $1 and flow_id = 'B'", [
    run,
  ]);
  expect(waiting.rowCount).toBe(1);
  const a = await ann.get(`/runs/${run}/flows/A`);
  expect(a.body).toMatchObject({ state: 'force_passed', flags: ['tainted'] });
  expect(a.body.overrides).toMatchObject([
    { kind: 'force-pass', actor: 'ann', reason: 'checked by hand', evidence: 'ticket 7' },
  ]);
  const shown = await ann.get(`/runs/${run}`);
  expect(shown.body).toMatchObject({ counts: { force_passed: 1, succeeded: 0, skipped: 0 }, tainted: 2 });
});

test('B1: the same key again has one effect and one answer; with another body it is refused', async () => {
  const run = await freshRun();
  const key = { 'idempotency-key': 'k-1' };
  const first = await ann.post(`/runs/${run}/hold`, { flows: ['A'], reason: 'wait' }, key);
  const again = await ann.post(`/runs/${run}/hold`, { flows: ['A'], reason: 'wait' }, key);
  expect(again.body).toEqual(first.body);
  const other = await ann.post(`/runs/${run}/hold`, { flows: ['B'], reason: 'wait' }, key);
  expect(other).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } });
  const sameKeyOfAnother = await bob.post(`/runs/${run}/unhold`, { flows: ['A'] }, key);
  expect(sameKeyOfAnother.status).toBe(200);
});

test('B1: fifty requests with one key at once are one operation', async () => {
  const run = await freshRun();
  const answers = await Promise.all(
    Array.from({ length: 50 }, () =>
      ann.post(`/runs/${run}/force-pass`, { flows: ['A'], ...because }, { 'idempotency-key': 'fifty' }),
    ),
  );
  expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1);
  expect(answers.every((answer) => answer.status === 200)).toBe(true);
  const rows = await api.pool.query(
    `select (select count(*)::int from run_log where run_id = $1 and kind = 'operation') as log,
       (select count(*)::int from audit where run_id = $1) as audit, (select count(*)::int from overrides where run_id = $1) as overrides`,
    [run],
  );
  expect(rows.rows[0]).toEqual({ log: 1, audit: 1, overrides: 1 });
});

test('an operation whose API died before it answered is found again under its key', async () => {
  const run = await freshRun();
  // Another process's insert, without anybody waiting for the outcome.
  const { requestOperation } = await import('../../../store/operations/operations.ts');
  const request = {
    verb: 'hold' as const,
    flows: ['A'],
    edges: [],
    reason: 'r',
    evidence: null,
    partial: false,
    supersede: false,
    ran: null,
    plan: null,
  };
  const row = await requestOperation(api.pool, {
    run,
    actor: 'ann',
    roles: ['operator'],
    key: 'died',
    request,
  });
  const answer = await ann.post(
    `/runs/${run}/hold`,
    { flows: ['A'], reason: 'r' },
    { 'idempotency-key': 'died' },
  );
  expect(answer).toMatchObject({ status: 200, body: { id: row.id, state: 'applied' } });
});

test('a verb in the wrong state changes nothing, says the state, and is audited', async () => {
  const run = await freshRun();
  const answer = await ann.post(`/runs/${run}/cancel`, { flows: ['A', 'B'], reason: 'stop' });
  expect(answer).toMatchObject({
    status: 409,
    headers: { 'content-type': 'application/problem+json; charset=utf-8' },
    body: {
      code: 'wrong_state',
      facts: {
        flows: [
          { flow: 'A', code: 'wrong_state' },
          { flow: 'B', code: 'wrong_state' },
        ],
      },
    },
  });
  const audit = await ann.get(`/audit?run=${run}`);
  expect(audit.body.items).toMatchObject([
    { actor: 'ann', verb: 'cancel', outcome: 'refused', code: 'wrong_state' },
  ]);
});

test('B1: a repeated key answers its first outcome, whatever has changed since', async () => {
  const run = await freshRun();
  const key = { 'idempotency-key': `frozen-since-${run}` };
  const first = await ann.post(`/runs/${run}/hold`, { flows: ['C'], ...because }, key);
  expect(first.status).toBe(200);
  await api.pool.query("update runs set frozen = 'restored' where id = $1", [run]);
  const again = await ann.post(`/runs/${run}/hold`, { flows: ['C'], ...because }, key);
  expect(again).toMatchObject({ status: 200, body: { id: first.body.id } });
  const other = await ann.post(`/runs/${run}/hold`, { flows: ['B'], ...because });
  expect(other.body.code).toBe('run_frozen');
});

test('B3: all or nothing, unless partial', async () => {
  const run = await freshRun();
  await ann.post(`/runs/${run}/force-pass`, { flows: ['A'], ...because });
  const all = await ann.post(`/runs/${run}/hold`, { flows: ['A', 'B'], reason: 'r' });
  expect(all).toMatchObject({ status: 409, body: { code: 'wrong_state' } });
  expect((await ann.get(`/runs/${run}/flows/B`)).body.flags).not.toContain('held');
  const partial = await ann.post(`/runs/${run}/hold`, {
    flows: ['A', 'B', 'NOWHERE'],
    reason: 'r',
    partial: true,
  });
  expect(partial.status).toBe(200);
  expect(partial.body.outcome.flows.map((json: Json) => [json.flow, json.code])).toEqual([
    ['A', 'wrong_state'],
    ['B', null],
    ['NOWHERE', 'unknown_flow'],
  ]);
  expect((await ann.get(`/runs/${run}/flows/B`)).body.flags).toContain('held');
});

test('B3: a dry run says what would happen and leaves no row', async () => {
  const run = await freshRun();
  await api.coordinator!.settled(run);
  const count = async () =>
    (
      await api.pool.query(
        'select (select count(*) from operations) + (select count(*) from run_log) + (select count(*) from audit) as n',
      )
    ).rows[0].n;
  const before = await count();
  const answer = await ann.post(`/runs/${run}/force-pass`, { flows: ['A'], ...because, dryRun: true });
  expect(answer).toMatchObject({ status: 200, body: { dryRun: true, state: 'applied', freed: ['B'] } });
  expect(await count()).toBe(before);
  expect((await ann.get(`/runs/${run}/flows/A`)).body.state).toBe('waiting_agent');
});

test('B1: what was done under a key is found by the actor whose key it is, and by its id', async () => {
  const run = await freshRun();
  const held = await ann.post(
    `/runs/${run}/hold`,
    { flows: ['A'], reason: 'x' },
    { 'idempotency-key': 'lost-1' },
  );
  for (const name of ['lost-1', held.body.id])
    expect((await ann.get(`/keys/${name}`)).body).toMatchObject({
      key: name,
      backfill: null,
      event: null,
      operation: { id: held.body.id, run, verb: 'hold', state: 'applied' },
    });
  expect((await bob.get('/keys/lost-1')).body).toMatchObject({ operation: null });
  expect((await ann.get('/keys/never')).body).toEqual({
    key: 'never',
    operation: null,
    backfill: null,
    event: null,
  });
  const event = { event: 'Nobody', period: '2026-10' };
  const sent = await ann.post('/events', event, { 'idempotency-key': 'lost-2' });
  if (sent.status === 200)
    expect((await ann.get('/keys/lost-2')).body).toMatchObject({ event: sent.body.id });
});

test('B4: a force-pass of a key flow waits for a second person, who is not the first', async () => {
  const run = await freshRun();
  const asked = await ann.post(`/runs/${run}/force-pass`, { flows: ['KEY'], ...because });
  expect(asked).toMatchObject({ status: 202, body: { state: 'approval_required' } });
  const address = `/operations/${asked.body.id}`;
  expect(asked.headers.location).toBe(`/api/v1${address}`);
  expect((await ann.get(`/runs/${run}/flows/KEY`)).body.state).toBe('waiting_agent');

  const own = await ann.post(`${address}/approve`, { reason: 'me too' });
  expect(own).toMatchObject({ status: 403, body: { code: 'own_approval' } });
  const stranger = await billing.post(`${address}/approve`);
  expect(stranger).toMatchObject({ status: 403, body: { code: 'forbidden' } });

  const approved = await bob.post(`${address}/approve`, { reason: 'seen' });
  expect(approved).toMatchObject({
    status: 200,
    body: { state: 'applied', approvedBy: 'bob', actor: 'ann' },
  });
  expect((await ann.get(`/runs/${run}/flows/KEY`)).body.state).toBe('force_passed');
  expect((await bob.post(`${address}/approve`)).status).toBe(200);
  const audit = await ann.get(`/audit?run=${run}&operation=${asked.body.id}`);
  expect(audit.body.items.map((json: Json) => [json.actor, json.verb, json.outcome])).toEqual([
    ['ann', 'force-pass', 'applied'],
    ['bob', 'approve', 'applied'],
    ['ann', 'force-pass', 'approval_required'],
  ]);
});

test('two approvals at once are one; a refused request ends', async () => {
  const run = await freshRun();
  const asked = await ann.post(`/runs/${run}/force-pass`, { flows: ['KEY'], ...because });
  const refused = await bob.post(`/operations/${asked.body.id}/refuse`, { reason: 'not shown' });
  expect(refused).toMatchObject({
    status: 200,
    body: { state: 'refused', outcome: { code: 'approval_refused' } },
  });
  expect(await bob.post(`/operations/${asked.body.id}/approve`)).toMatchObject({
    status: 409,
    body: { code: 'not_awaiting_approval' },
  });
  const second = await ann.post(`/runs/${run}/force-pass`, { flows: ['KEY'], ...because });
  const answers = await Promise.all([1, 2, 3].map(() => bob.post(`/operations/${second.body.id}/approve`)));
  expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200]);
  const log = await api.pool.query('select count(*)::int as n from run_log where operation_id = $1', [
    second.body.id,
  ]);
  expect(log.rows[0].n).toBe(2);
});

test('a gate is confirmed by who holds its role, once; its turn frees what is behind it', async () => {
  const run = await freshRun();
  expect(await ann.post(`/runs/${run}/confirm`, { flows: ['GATE'] })).toMatchObject({
    status: 403,
    body: { code: 'role_required' },
  });
  expect((await billing.post(`/runs/${run}/confirm`, { flows: ['GATE'] })).status).toBe(200);
  expect(await billing.post(`/runs/${run}/confirm`, { flows: ['GATE'] })).toMatchObject({
    status: 409,
    body: { code: 'already_confirmed' },
  });
  expect((await ann.get(`/runs/${run}/flows/BEHIND`)).body.state).toBe('waiting_agent');
  expect(await billing.post(`/runs/${run}/hold`, { flows: ['A'], reason: 'r' })).toMatchObject({
    status: 403,
    body: { code: 'forbidden' },
  });
});

test('what must be said is asked for by its own code', async () => {
  const run = await freshRun();
  expect(await ann.post(`/runs/${run}/force-pass`, { flows: ['A'] })).toMatchObject({
    status: 400,
    body: { code: 'reason_required' },
  });
  expect(
    await ann.post(`/runs/${run}/force-pass`, { flows: ['A'], reason: ' ', evidence: 'e' }),
  ).toMatchObject({
    status: 400,
    body: { code: 'reason_required' },
  });
  expect(await ann.post(`/runs/${run}/force-pass`, { flows: ['A'], reason: 'r' })).toMatchObject({
    status: 400,
    body: { code: 'evidence_required' },
  });
  expect(await ann.post(`/runs/${run}/resolve`, { flows: ['A'], reason: 'r' })).toMatchObject({
    status: 400,
    body: { code: 'invalid_request' },
  });
  expect(await ann.post(`/runs/${run}/force-pass`, { flows: ['LAST'], ...because })).toMatchObject({
    status: 409,
    body: { code: 'force_pass_requires' },
  });
  const rejected = await ann.get(`/audit?run=${run}&outcome=rejected`);
  expect(rejected.body.items).toHaveLength(4);
});

test('an unknown flow or run is answered with what may have been meant', async () => {
  const run = await freshRun();
  const flow = await ann.post(`/runs/${run}/hold`, { flows: ['GAET'], reason: 'r' });
  expect(flow).toMatchObject({ status: 404, body: { code: 'unknown_flow', facts: { near: ['GATE'] } } });
  expect(flow.body.detail).toContain('did you mean GATE?');
  const missing = await ann.get(`/runs/${run.replace('month', 'mnth')}`);
  expect(missing).toMatchObject({ status: 404, body: { code: 'unknown_run' } });
  expect(missing.body.facts.near).toContain(run);
});

test('an edge is waived and unwaived', async () => {
  const run = await freshRun();
  const edge = { edges: [{ from: 'A', to: 'B' }], reason: 'not needed this month' };
  expect((await ann.post(`/runs/${run}/waive`, edge)).status).toBe(200);
  expect((await ann.get(`/runs/${run}/flows/B`)).body).toMatchObject({
    state: 'waiting_agent',
    upstream: [{ flow: 'A', met: true, waived: true }],
  });
  expect(await ann.post(`/runs/${run}/waive`, edge)).toMatchObject({
    status: 409,
    body: { code: 'already_waived' },
  });
  expect((await ann.post(`/runs/${run}/unwaive`, edge)).status).toBe(200);
  expect((await ann.get(`/runs/${run}/flows/B`)).body).toMatchObject({
    state: 'waiting_upstream',
    blockers: [{ code: 'upstream', from: 'A' }],
  });
  expect(
    await ann.post(`/runs/${run}/waive`, { edges: [{ from: 'C', to: 'B' }], reason: 'r' }),
  ).toMatchObject({
    status: 404,
    body: { code: 'unknown_edge' },
  });
});

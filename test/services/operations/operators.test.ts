/** Many people at once: each request has one outcome, and the record tells the same story as the answers. */
import pg from 'pg';
import { expect, test } from 'vitest';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';

const database = await createTestDatabase('operators');
const api = await startTestApi(database);
const FLOWS = Array.from({ length: 60 }, (_, i) => `F${i}`);
await applyCatalogue(
  api.pool,
  catalogueText([
    ...FLOWS.map((id, i) => ({ id, after: i < 20 ? [] : [`F${i - 20}`] })),
    { id: 'GATE', kind: 'gate', person: { role: 'billing' } },
  ]),
);
const operators = await Promise.all(
  Array.from({ length: 40 }, (_, i) =>
    api.actor({ name: `op${i}`, kind: 'person', roles: ['operator', 'billing'] }),
  ),
);

test('forty people confirm one gate at once: one does, the others hear that it is done', async () => {
  const run = await openTestRun(api.pool, '2026-01');
  const answers = await Promise.all(
    operators.map((who) => who.post(`/runs/${run}/confirm`, { flows: ['GATE'] })),
  );
  expect(answers.filter((answer) => answer.status === 200)).toHaveLength(1);
  expect(answers.filter((answer) => answer.body.code === 'already_confirmed')).toHaveLength(39);
});

test('forty people, two hundred verbs: every answer is what the record says', async () => {
  const run = await openTestRun(api.pool, '2026-02');
  const asked = operators.flatMap((who, i) =>
    Array.from({ length: 5 }, (_, k) => {
      const flow = FLOWS[(i * 7 + k * 11) % FLOWS.length]!;
      const [verb, body] = (
        [
          ['hold', { reason: 'r' }],
          ['unhold', {}],
          ['force-pass', { reason: 'r', evidence: 'e' }],
          ['skip', { reason: 'r' }],
          ['expedite', { reason: 'r' }],
        ] as [string, object][]
      )[(i + k) % 5]!;
      return who
        .post(`/runs/${run}/${verb}`, { flows: [flow], ...body })
        .then((answer) => ({ flow, verb, answer }));
    }),
  );
  const answers = await Promise.all(asked);
  await api.coordinator!.settled(run);
  for (const { answer } of answers)
    expect([answer.status, answer.body.code ?? null]).toSatisfy(
      ([status, code]: Json) =>
        (status === 200 && code === null) || (status === 409 && code === 'wrong_state'),
    );

  const applied = answers.filter((answer) => answer.answer.status === 200).length;
  const record = await api.pool.query(
    `select (select count(*)::int from operations where run_id = $1 and state = 'applied') as applied,
       (select count(*)::int from operations where run_id = $1 and state = 'refused') as refused,
       (select count(*)::int from operations where run_id = $1 and state not in ('applied', 'refused')) as undecided,
       (select count(*)::int from audit where run_id = $1) as audit,
       (select log_seq = cursor from run_counters where run_id = $1) as read`,
    [run],
  );
  expect(record.rows[0]).toEqual({
    applied,
    refused: asked.length - applied,
    undecided: 0,
    audit: asked.length,
    read: true,
  });
  const passed = new Set(
    answers
      .filter((answer) => answer.verb === 'force-pass' && answer.answer.status === 200)
      .map((answer) => answer.flow),
  );
  const shown = await operators[0]!.get(`/runs/${run}/flows?state=force_passed&limit=100`);
  expect(new Set(shown.body.items.map((json: Json) => json.id))).toEqual(passed);
});

test('one approval of forty counts, and the approver is one of them', async () => {
  const run = await openTestRun(api.pool, '2026-03');
  const first = await api.actor({ name: 'asker', kind: 'person', roles: ['operator'] });
  const asked = await first.post(`/runs/${run}/force-pass`, { flows: ['GATE'], reason: 'r', evidence: 'e' });
  expect(asked.status).toBe(202);
  const answers = await Promise.all(operators.map((who) => who.post(`/operations/${asked.body.id}/approve`)));
  expect(answers.filter((answer) => answer.status === 200)).toHaveLength(1);
  expect(answers.filter((answer) => answer.body.code === 'not_awaiting_approval')).toHaveLength(39);
  const log = await api.pool.query('select count(*)::int as n from run_log where run_id = $1', [run]);
  expect(log.rows[0].n).toBe(2);
});

test('while the log of one run is locked, its operators take one connection and everybody else is served', async () => {
  const [locked, other] = [await openTestRun(api.pool, '2026-04'), await openTestRun(api.pool, '2026-05')];
  const holder = new pg.Client({ connectionString: database.url });
  await holder.connect();
  await holder.query('begin');
  await holder.query('select 1 from run_counters where run_id = $1 for update', [locked]);
  const asked = operators.map((who, i) =>
    who.post(`/runs/${locked}/hold`, { flows: [FLOWS[20 + i]!], reason: 'r' }),
  );
  const waiting = async (): Promise<number> =>
    (
      await holder.query(
        "select count(*)::int as n from pg_stat_activity where datname = current_database() and application_name = 'sluice-test-api' and wait_event_type = 'Lock'",
      )
    ).rows[0].n;
  await expect.poll(waiting, { interval: 10 }).toBe(1);
  expect((await operators[0]!.get(`/runs/${other}/flows?limit=1`)).status).toBe(200);
  const elsewhere = await operators[0]!.post(`/runs/${other}/hold`, { flows: ['F20'], reason: 'r' });
  expect(elsewhere.status).toBe(200);
  expect(await waiting()).toBeLessThanOrEqual(1);
  await holder.query('commit');
  await holder.end();
  expect((await Promise.all(asked)).map((answer) => answer.status)).toEqual(asked.map(() => 200));
});

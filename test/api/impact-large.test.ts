/** What a diff and a rerun plan of 13,000 flows cost. */
import { expect, test } from 'vitest';
import { startTestApi } from '../support/api.ts';
import { settleRun } from '../support/coordinator.ts';
import { createTestDatabase } from '../support/database.ts';
import { denseCatalogue } from '../support/dense-catalogue.ts';
import { openTestRun } from '../support/estate.ts';
import { countStatements } from '../support/statements.ts';

/** Far below the 13,000 flows, whatever a question has to do with. */
const STATEMENTS = 40;

const database = await createTestDatabase('impact_large');
const api = await startTestApi(database, { coordinator: false });
const max = await api.actor({ name: 'max', kind: 'person', roles: ['maintainer', 'operator', 'key'] });

const files = denseCatalogue();
expect((await max.post('/catalogue/apply', { files })).status).toBe(200);
const run = await openTestRun(api.pool, '2026-11-22', 'day');
await settleRun(api.pool, run, api.deps.contextOf);

test('a diff in which every flow of 13,000 changes, held by an open run, is answered with a fixed number of statements', async () => {
  const changed = files.map(({ path, text }) => ({
    path,
    text: text.replaceAll('"platform":"bench"', '"platform":"other"'),
  }));
  expect(changed).not.toEqual(files);
  const diff = await countStatements(() => max.post('/catalogue/diff', { files: changed }));
  const { status, body } = diff.answer;
  expect(status).toBe(200);
  expect(body.changed).toHaveLength(13_000);
  expect(body.touched).toHaveLength(200);
  expect(body.runs).toMatchObject([{ run, holds: 13_000, adopt: { refused: null } }]);
  expect(diff.statements).toBeLessThanOrEqual(STATEMENTS);
});

test('a rerun plan of 13,000 flows', async () => {
  await api.pool.query(
    `update run_flows set result = 'succeeded', released_ms = generation_ms + 1, result_ms = generation_ms + 2, flags = flags & ~32768
     where run_id = $1`,
    [run],
  );
  await api.pool.query('delete from outbox where run_id = $1', [run]);
  await api.pool.query('update run_counters set exchange = exchange + 1 where run_id = $1', [run]);
  const first = (await max.get(`/runs/${run}/flows?limit=1`)).body.items[0].id;
  const made = await countStatements(() => max.post(`/runs/${run}/rerun-plans`, { flows: [first] }));
  const { status, body } = made.answer;
  expect(status).toBe(201);
  expect(body.members.length).toBeGreaterThan(10_000);
  expect(made.statements).toBeLessThanOrEqual(STATEMENTS);
});

test('a retirement sheet and everything below a flow of 13,000', async () => {
  const first = (await max.get(`/runs/${run}/flows?limit=1`)).body.items[0].id;
  const sheet = await countStatements(() => max.get(`/flows/${first}/retirement`));
  expect(sheet.answer.body.impact.flows).toBeGreaterThan(10_000);
  const below = await countStatements(() => max.get(`/queries/Q04?flows=${first}&limit=1000`));
  expect(below.answer.body.total).toBe(sheet.answer.body.impact.flows);
  expect(Math.max(sheet.statements, below.statements)).toBeLessThanOrEqual(STATEMENTS);
});

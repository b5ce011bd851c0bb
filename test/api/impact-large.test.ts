/** What a diff and a rerun plan of 13,000 flows cost. */
import { expect, test } from 'vitest';
import { startTestApi } from '../support/api.ts';
import { settleRun } from '../support/coordinator.ts';
import { createTestDatabase } from '../support/database.ts';
import { denseCatalogue } from '../support/dense-catalogue.ts';
import { openTestRun } from '../support/estate.ts';

const database = await createTestDatabase('impact_large');
const api = await startTestApi(database, { coordinator: false });
const max = await api.actor({ name: 'max', kind: 'person', roles: ['maintainer', 'operator', 'key'] });

const files = denseCatalogue();
expect((await max.post('/catalogue/apply', { files })).status).toBe(200);
const run = await openTestRun(api.pool, '2026-11-22', 'day');
await settleRun(api.pool, run, api.deps.contextOf);

/** The answer, and the least that it took: ms of the clock and of this process's processor, which other work on the machine does not count into. */
async function fastest<T>(
  times: number,
  work: () => Promise<T>,
): Promise<{ answer: T; ms: number; cpuMs: number }> {
  let [ms, cpuMs] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  let answer: T | undefined;
  for (let i = 0; i < times; i++) {
    const [from, used] = [performance.now(), process.cpuUsage()];
    answer = await work();
    ms = Math.min(ms, performance.now() - from);
    const { user, system } = process.cpuUsage(used);
    cpuMs = Math.min(cpuMs, (user + system) / 1_000);
  }
  return { answer: answer!, ms, cpuMs };
}

const shown = ({ ms, cpuMs }: { ms: number; cpuMs: number }): string =>
  `${ms.toFixed(0)} ms (${cpuMs.toFixed(0)} ms of processor)`;

test('a diff in which every flow of 13,000 changes, held by an open run, costs at most half as much again as its check', async () => {
  const changed = files.map(({ path, text }) => ({
    path,
    text: text.replaceAll('"platform":"bench"', '"platform":"other"'),
  }));
  expect(changed).not.toEqual(files);
  const check = await fastest(3, () => max.post('/catalogue/check', { files: changed }));
  expect(check.answer.body.ok).toBe(true);
  const diff = await fastest(3, () => max.post('/catalogue/diff', { files: changed }));
  console.log(`13,000 flows changed: check ${shown(check)}, diff ${shown(diff)}`);
  const { status, body } = diff.answer;
  expect(status).toBe(200);
  expect(body.changed).toHaveLength(13_000);
  expect(body.touched).toHaveLength(200);
  expect(body.runs).toMatchObject([{ run, holds: 13_000, adopt: { refused: null } }]);
  // The rest is the comparison and what it touches. By ratio: machines differ, and both are of one run.
  expect(diff.cpuMs).toBeLessThan(1.5 * check.cpuMs);
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
  const made = await fastest(5, () => max.post(`/runs/${run}/rerun-plans`, { flows: [first] }));
  const { status, body } = made.answer;
  expect(status).toBe(201);
  expect(body.members.length).toBeGreaterThan(10_000);
  console.log(`rerun plan of ${body.members.length} members: ${shown(made)}`);
  expect(made.cpuMs).toBeLessThan(1_000);
});

test('a retirement sheet and everything below a flow of 13,000', async () => {
  const first = (await max.get(`/runs/${run}/flows?limit=1`)).body.items[0].id;
  const sheet = await fastest(3, () => max.get(`/flows/${first}/retirement`));
  expect(sheet.answer.body.impact.flows).toBeGreaterThan(10_000);
  const below = await fastest(3, () => max.get(`/queries/Q04?flows=${first}&limit=1000`));
  expect(below.answer.body.total).toBe(sheet.answer.body.impact.flows);
  console.log(`retirement sheet ${shown(sheet)}, Q04 ${shown(below)}`);
  expect(Math.max(sheet.cpuMs, below.cpuMs)).toBeLessThan(1_000);
});

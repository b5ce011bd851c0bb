/** Why the engine gave a flow up is in the record, and everybody who asks hears it (protocol C4, D9). */
import { expect, test } from 'vitest';
import { loadRun } from '../../../store/record/run-state.ts';
import { startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';
import { type PlayedAgent, playAgent } from '../../support/play.ts';

const database = await createTestDatabase('give_up');
const api = await startTestApi(database);
const ann = await api.actor({ name: 'ann', kind: 'person', roles: ['operator'] });
const check = { kind: 'check', program: { type: 'noop' } };
const retries = { infrastructure: 1, backoffMs: 0 };
await applyCatalogue(
  api.pool,
  catalogueText([
    { id: 'Patient', ...check, everyMs: 3_600_000, giveUpAfterMs: 7_200_000 },
    { id: 'Hasty', ...check, everyMs: 1_000, giveUpAfterMs: 1 },
    { id: 'Loader', retries },
    { id: 'Single' },
  ]),
);
const agent: PlayedAgent = await playAgent(api.pool, 'a1');
const run = await openTestRun(api.pool, '2026-10');

const HICCUP = { outcome: 'failed', failure: 'infrastructure', message: 'too many clients (53300)' } as const;

async function flowOf(flow: string) {
  return (await ann.get(`/runs/${run}/flows/${flow}`)).body;
}

test('a check that did not become true, and a budget that is used up', async () => {
  await api.coordinator!.settled(run);
  for (let attempt = 1; attempt <= 2; attempt++) {
    const tasks = await agent.claim();
    await agent.start(tasks);
    for (const task of tasks) {
      const answers = task.flow === 'Patient' || task.flow === 'Hasty';
      await agent.end([task], answers ? { outcome: 'false' } : HICCUP);
    }
    await api.coordinator!.settled(run);
    // 'Single' has a budget of 3 for it: the default.
    if (attempt === 1) expect(tasks.map((task) => task.flow).sort()).toHaveLength(4);
  }
  const hasty = await flowOf('Hasty');
  expect(hasty.state).toBe('failed');
  expect(hasty.attempts).toMatchObject([{ outcome: 'false', gaveUp: { cause: 'false', allowed: 1 } }]);
  expect(hasty.attempts[0].gaveUp.text).toEqual({
    en: expect.stringContaining('gave up: still false'),
    zh: expect.stringContaining('检查累计'),
  });
  const loader = await flowOf('Loader');
  expect([loader.state, loader.attempts.map((attempt: { gaveUp: unknown }) => attempt.gaveUp)]).toMatchObject(
    ['failed', [null, { cause: 'infrastructure', used: 2, allowed: 1 }]],
  );
  expect((await flowOf('Patient')).state).toBe('waiting_time');
});

test('why and Q12 say it', async () => {
  const why = async (flow: string) => (await ann.get(`/runs/${run}/flows/${flow}/why`)).body.causes[0];
  const text = 'too many clients (53300); gave up after 2 infrastructure failures in a row (retries: 1)';
  expect(await why('Loader')).toMatchObject({ code: 'upstream_failed', reason: HICCUP.message });
  expect((await why('Loader')).text.en).toContain(text);
  expect((await why('Loader')).text.zh).toContain('连续 2 次基础设施失败后已放弃（重试 1 次）');
  expect((await why('Hasty')).reason).toContain('gave up: still false');
  const { items } = (await ann.get('/queries/Q12')).body;
  const rows = items.map((item: { flowId: string; attempt: string; gaveUp: { en: string } | null }) =>
    [item.flowId, item.attempt, item.gaveUp?.en.slice(0, 13) ?? null].join(),
  );
  expect(rows.sort().slice(0, 3)).toEqual([
    'Hasty,1.1,gave up: stil',
    'Loader,1.1,',
    'Loader,1.2,gave up after',
  ]);
});

test('a question takes what the agent worked at it, not the outage in which it could not tell; the record carries it', async () => {
  // As if it had been sent two hours ago, and the API had been away since.
  await api.pool.query("update run_flows set due_ms = 1 where flow_id = 'Patient'");
  await ann.post(`/runs/${run}/start-now`, { flows: ['Patient'], reason: 'test' });
  await api.coordinator!.settled(run);
  const tasks = (await agent.claim()).filter((task) => task.flow === 'Patient');
  await agent.start(tasks);
  await api.pool.query('update leases set sent_ms = sent_ms - 7200000');
  await agent.end(tasks, { outcome: 'false', agentMs: 40 });
  await api.coordinator!.settled(run);
  expect((await flowOf('Patient')).state).toBe('waiting_time');
  const log = await api.pool.query(
    "select body from run_log where flow_id = 'Patient' and outcome = 'false' order by seq",
  );
  expect(log.rows[1].body).toEqual({ tookMs: 40 });
  const asked = 2 * 3_600_000 + Math.max(1, log.rows[0].body.tookMs) + 40;
  const context = await api.deps.contextOf(run);
  const { stored } = await loadRun(api.pool, context, 0);
  expect(stored.rows.find((row) => row[0] === context.index.get('Patient'))?.[9]).toBe(asked);
});

import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { createAgentCalls } from '../../../services/agents/agent-calls.ts';
import { startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';

const database = await createTestDatabase('claim-outage');
const api = await startTestApi(database);

test('a record that cannot be asked after a claim fails no flow: the same claim gets the task later', async () => {
  await applyCatalogue(api.pool, catalogueText([{ id: 'A' }]));
  const run = await openTestRun(api.pool);
  await api.coordinator!.settled(run);
  let away = true;
  const contextOf: typeof api.deps.contextOf = Object.assign(
    async (id: string) => {
      if (away) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
      return api.deps.contextOf(id);
    },
    { forget: () => {} },
  );
  const { pool, notifications, logs, leaseMs } = api.deps;
  const calls = createAgentCalls({
    pool,
    contextOf,
    notifications,
    logs,
    leaseMs,
    heartbeatMs: 10_000,
    orphanMs: 60_000,
    zone: async () => 'UTC',
    warn: () => {},
  });
  const instance = randomUUID();
  await calls.hello('a1', {
    instance,
    lockToken: randomUUID(),
    platform: 'yt',
    slots: 1,
    labels: [],
    version: '1',
    protocol: 2,
    held: [],
  });
  const claim = () =>
    calls.claim(
      'a1',
      { claimId: 'claim-0001', instance, platform: 'yt', free: 1, labels: [], waitMs: 0 },
      new AbortController().signal,
    );
  await expect(claim()).rejects.toThrow('ECONNREFUSED');
  away = false;
  expect((await claim()).tasks.map((task) => task.lease.flow)).toEqual(['A']);
  const attempts = await pool.query('select flow_id, outcome from attempts where run_id = $1', [run]);
  expect(attempts.rows).toEqual([{ flow_id: 'A', outcome: null }]);
  calls.close();
});

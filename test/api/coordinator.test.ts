import { afterAll, expect, test } from 'vitest';
import { versionReader } from '../../store/catalogue.ts';
import { openRun } from '../../store/open-run.ts';
import { createPool } from '../../store/pool.ts';
import { applyCatalogue, flowYaml } from '../support/catalogue.ts';
import { settleRun } from '../support/coordinator.ts';
import { createTestDatabase } from '../support/database.ts';

const database = await createTestDatabase('coordinator');
const pool = createPool(database.url, { max: 2, name: 'test' });
afterAll(() => pool.end());

test('the coordinator of the tests sends what has no upstream to the outbox, and is idle then', async () => {
  await applyCatalogue(pool, `flows:\n${flowYaml('A')}\n${flowYaml('B', ['A'])}\n`);
  const run = await openRun(
    pool,
    versionReader(pool),
    { cycle: 'month', period: '2026-10', purpose: 'scheduled', procedures: null },
    'test',
  );
  const { due } = await settleRun(pool, run.id);
  expect(due).toBe(0);
  const waiting = await pool.query('select flow_id from outbox where run_id = $1', [run.id]);
  expect(waiting.rows).toEqual([{ flow_id: 'A' }]);
});

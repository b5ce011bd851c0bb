import { afterAll, expect, test } from 'vitest';
import { createPool } from '../../store/schema/pool.ts';
import { settleRun } from '../support/coordinator.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../support/estate.ts';

const database = await createTestDatabase('coordinator');
const pool = createPool(database.url, { max: 2, name: 'test' });
afterAll(() => pool.end());

test('the coordinator of the tests sends what has no upstream to the outbox, and is idle then', async () => {
  await applyCatalogue(pool, catalogueText([{ id: 'A' }, { id: 'B', after: ['A'] }]));
  const run = await openTestRun(pool);
  const { due } = await settleRun(pool, run);
  expect(due).toBe(0);
  const waiting = await pool.query('select flow_id from outbox where run_id = $1', [run]);
  expect(waiting.rows).toEqual([{ flow_id: 'A' }]);
});

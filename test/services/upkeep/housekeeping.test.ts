import { afterAll, expect, test } from 'vitest';
import { startHousekeeping } from '../../../services/upkeep/housekeeping.ts';
import { createPool } from '../../../store/schema/pool.ts';
import { createTestDatabase } from '../../support/database.ts';

const database = await createTestDatabase('housekeeping');
const pool = createPool(database.url, { max: 4, name: 'test' });
afterAll(() => pool.end());

const calls = async (): Promise<string[]> => {
  const found = await pool.query<{ call_id: string }>('select call_id from agent_calls order by call_id');
  return found.rows.map((row) => row.call_id);
};

test('answers that no agent asks for any more are deleted, and the end waits for the pass under way', async () => {
  await pool.query(
    `insert into agent_calls (agent, call_id, answer, at_ms)
     values ('a1', 'new', '{}', clock_ms()), ('a1', 'old', '{}', clock_ms() - 3600000)`,
  );
  const warnings: string[] = [];
  const stop = startHousekeeping(pool, (_, message) => void warnings.push(message), 5);
  await expect.poll(calls).toEqual(['new']);
  await stop();
  expect(warnings).toEqual([]);
});

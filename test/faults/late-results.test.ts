/**
 * Protocol C3, A3: rows in the log that no coordinator should rely on not to come: ends told twice, out of order, of attempts long superseded, of
 * flows that the run does not have. They change nothing, and the state that lived through them is the one that a reload finds.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { versionReader } from '../../store/catalogue/catalogue.ts';
import { contextReader } from '../../store/record/run-context.ts';
import { appendLog, type LogRow } from '../../store/record/run-log.ts';
import { loadRun } from '../../store/record/run-state.ts';
import { createPool } from '../../store/schema/pool.ts';
import { settleRun } from '../support/coordinator.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../support/estate.ts';
import { playAgent, stateIn } from '../support/play.ts';

const database = await createTestDatabase('late_results');
const pool = createPool(database.url, { max: 4, name: 'test' });
const contextOf = contextReader(pool, versionReader(pool));
afterAll(() => pool.end());
await applyCatalogue(
  pool,
  catalogueText([{ id: 'A' }, { id: 'B', after: ['A'] }, { id: 'C', after: ['B'] }]),
);

const row = (flow: string, more: Partial<LogRow> = {}): LogRow => ({
  kind: 'completion',
  flow,
  generation: 1,
  attempt: 1,
  epoch: 1,
  outcome: 'succeeded',
  operation: null,
  body: null,
  ...more,
});

const write = async (run: string, rows: readonly LogRow[]): Promise<void> => {
  const client = await pool.connect();
  await client.query('begin');
  await appendLog(client, run, rows);
  await client.query('commit');
  client.release();
};

let opened = 0;

const shown = async (run: string) =>
  Promise.all(
    ['A', 'B', 'C'].map(async (flow) => {
      const { result, phase, generation } = await stateIn(pool, run, flow);
      return `${flow} ${result ?? phase} ${generation}`;
    }),
  );

describe('log rows that should not be there', () => {
  test.each<[string, readonly LogRow[]]>([
    [
      'the end of a flow that the run does not have',
      [row('NOBODY'), row('NOBODY', { kind: 'lost', outcome: 'lost' })],
    ],
    ['the end of a flow that was never sent', [row('C'), row('C', { outcome: 'failed:program' })]],
    [
      'ends of a generation and an attempt that were never begun',
      [row('A', { generation: 7 }), row('A', { attempt: 9 })],
    ],
    [
      'an effect of an attempt that never was',
      [row('B', { kind: 'external', body: { type: 'effect' }, attempt: 5 })],
    ],
  ])('%s changes no state', async (_what, rows) => {
    const run = await openTestRun(pool, `2070-0${++opened}`);
    await settleRun(pool, run);
    const before = await shown(run);
    await write(run, rows);
    await settleRun(pool, run);
    expect(await shown(run)).toEqual(before);
  });

  test('an end told again after its flow was done, and ends in the opposite order, change nothing', async () => {
    const run = await openTestRun(pool, '2071-01');
    // Of the runs above.
    await pool.query('delete from outbox');
    const agent = await playAgent(pool, 'late');
    await settleRun(pool, run);
    for (const flow of ['A', 'B']) {
      const tasks = await agent.claim();
      expect(tasks.map((task) => task.flow)).toEqual([flow]);
      await agent.start(tasks);
      await agent.end(tasks);
      await settleRun(pool, run);
    }
    const before = await shown(run);
    expect(before).toEqual(['A succeeded 1', 'B succeeded 1', 'C waiting_agent 1']);
    await write(run, [
      row('B'),
      row('A'),
      row('B', { outcome: 'failed:program' }),
      row('A', { kind: 'lost', outcome: 'lost' }),
      row('A', { outcome: 'cancelled' }),
    ]);
    const { state } = await settleRun(pool, run);
    expect(await shown(run)).toEqual(before);
    const tasks = await agent.claim();
    expect(tasks.map((task) => task.flow)).toEqual(['C']);

    const { stored } = await loadRun(pool, await contextOf(run), 0);
    expect([stored.cursor, stored.exchange]).toEqual([state.cursor, state.exchange]);
  });
});

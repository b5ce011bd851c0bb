import { afterAll, expect, test } from 'vitest';
import { endLeases } from '../../../store/agents/lease-end.ts';
import { createPool } from '../../../store/schema/pool.ts';
import { settleRun } from '../../support/coordinator.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';
import { playAgent } from '../../support/play.ts';

const database = await createTestDatabase('attempts_past');
const pool = createPool(database.url, { max: 5, name: 'test' });
afterAll(() => pool.end());

/** How the record says that an attempt ended: launched or not, outcome, kind of failure; and what else is true of it. */
type End = [started: boolean, outcome: string, failure: string | null, also?: string];
const ENDS: Readonly<Record<string, End>> = {
  requeued: [false, 'requeued', null],
  'stopped before it was launched': [false, 'cancelled', null],
  'failed by itself': [true, 'failed', 'program'],
  unreachable: [true, 'failed', 'infrastructure'],
  'too long': [true, 'failed', 'timeout'],
  cancelled: [true, 'cancelled', null],
  lost: [true, 'lost', 'lost'],
  // A shell program's, of before the run adopted the SQL program.
  unfenced: [true, 'lost', 'lost', 'work = null'],
  'of another work': [true, 'lost', 'lost', `work = '${'e'.repeat(64)}'`],
};
const MAY_BE_AT_WORK = ['unreachable', 'too long', 'cancelled', 'lost', 'of another work'];

test('C6: a task lists the attempts of its works that were launched and did not tell their own end, and no others', async () => {
  const flow = { id: 'A', program: { type: 'sql', file: 'One.sql' }, retries: { lost: 20 } };
  const frame = { connections: [{ id: 'yt', platform: 'yt' }] };
  const programs = [{ path: 'programs/One.sql', text: 'select 1' }];
  await applyCatalogue(pool, catalogueText([flow], frame), 'apply', programs);
  const run = await openTestRun(pool, '2026-10');
  await settleRun(pool, run);
  const agent = await playAgent(pool, 'one');
  const epochs: Record<string, number> = {};
  for (const [name, [started]] of Object.entries(ENDS)) {
    const [task] = await agent.claim();
    if (started) await agent.start([task!]);
    await endLeases(pool, [task!.epoch], null);
    await settleRun(pool, run);
    epochs[name] = task!.epoch;
  }
  for (const [name, [, outcome, failure, also = 'work = work']] of Object.entries(ENDS))
    await pool.query(`update attempts set outcome = $2, failure_kind = $3, ${also} where epoch = $1`, [
      epochs[name],
      outcome,
      failure,
    ]);
  // What the flow's own attempts say, without the list that other runs with the same work have.
  await pool.query('delete from unended_works');
  const [task] = await agent.claim();
  const past = task!.past!;
  expect(past.own).toEqual(Object.values(epochs));
  expect(past.unended).toEqual(MAY_BE_AT_WORK.map((name) => epochs[name]));
  expect(past.works).toEqual(['e'.repeat(64)]);
});

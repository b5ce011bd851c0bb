/** A due moment is met when it comes: by one look at the record at that moment, not by a timer that is late or by a poll (decision 0021). */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPool } from '../../store/schema/pool.ts';
import { type Coordinated, startCoordinated } from '../support/coordinated.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../support/estate.ts';
import { type PlayedAgent, playAgent } from '../support/play.ts';
import '../support/quiet-temporal.ts';

const database = await createTestDatabase('due_moments');
const pool = createPool(database.url, { max: 6, name: 'test' });
/** Instants of the record's clock at the exchanges of the run, in order. */
const looks: number[] = [];
let coordinated: Coordinated;
let agent: PlayedAgent;

beforeAll(async () => {
  coordinated = await startCoordinated(database, pool, {
    afterExchange: (_run, _n, result) => {
      if (!('refused' in result)) looks.push(result.now);
      return result;
    },
  });
  agent = await playAgent(pool, 'a1');
});
afterAll(async () => {
  await coordinated.stop();
  await pool.end();
});

test.each([
  ['shorter than a timer of the server can be', 400],
  ['longer', 2_500],
])(
  'after a back-off that is %s the next attempt is offered by the look at its moment',
  async (_, backoffMs) => {
    const retries = { program: 1, backoffMs };
    await applyCatalogue(pool, catalogueText([{ id: 'A', retries }]));
    const run = await openTestRun(pool, `2050-${String(Math.ceil(backoffMs / 250)).padStart(2, '0')}`);
    const take = async () => {
      for (;;) {
        const tasks = await agent.claim();
        if (tasks.length > 0) return tasks;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    const first = await take();
    await agent.start(first);
    await agent.end(first, { outcome: 'failed', failure: 'program' });
    const second = await take();
    const { due } = (
      await pool.query('select at_ms + $2 as due from run_log where run_id = $1 and outcome = $3', [
        run,
        backoffMs,
        'failed:program',
      ])
    ).rows[0];
    const at = looks.findIndex((now) => now >= due);
    // The look at the moment, and the exchange that writes the release, whose instant is that of the outbox.
    const { released } = (
      await pool.query('select released_ms as released from outbox where run_id = $1', [run])
    ).rows[0];
    expect(looks.slice(at, at + 2)).toContain(released);
    // Before it, one look when the timer ended, at most: nobody polls.
    const failedAt = looks.findIndex((now) => now >= due - backoffMs);
    expect(at - failedAt).toBeLessThanOrEqual(4);
    expect(second[0]!.attempt).toBe(2);
    await agent.start(second);
    await agent.end(second);
  },
);

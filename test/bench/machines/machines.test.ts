/** The qualification of several machines can fail: what an operator would notice, and what was not done once, is named. */
import { afterAll, expect, test } from 'vitest';
import { doneOnce } from '../../../bench/machines/once.ts';
import { BOUND_MS, Requests } from '../../../bench/machines/requests.ts';
import { ApiProblem } from '../../../cli/client.ts';
import { ensurePlatformSchema } from '../../../platforms/sql/fence.ts';
import { createPool } from '../../../store/schema/pool.ts';
import { settleRun } from '../../support/coordinator.ts';
import { createEmptyDatabase, createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';
import { playAgent } from '../../support/play.ts';

const database = await createTestDatabase('machines');
const platform = await createEmptyDatabase('machines_yt');
const pool = createPool(database.url, { max: 4, name: 'test' });
const yt = createPool(platform.url, { max: 2, name: 'test' });
afterAll(() => Promise.all([pool.end(), yt.end()]));
const agent = await playAgent(pool, 'played');

let opened = 0;

/** A run of two flows, worked through; each has its fence on the platform. */
async function finishedRun(): Promise<{ run: string; epochs: number[] }> {
  const period = `20${30 + opened++}-01`;
  await applyCatalogue(pool, catalogueText([{ id: 'A' }, { id: 'B', after: ['A'] }]));
  const run = await openTestRun(pool, period);
  const client = await yt.connect();
  await ensurePlatformSchema(client).finally(() => client.release());
  const epochs: number[] = [];
  for (const flow of ['A', 'B']) {
    await settleRun(pool, run);
    const tasks = await agent.claim();
    expect(tasks.map((task) => task.flow)).toEqual([flow]);
    await agent.start(tasks);
    await agent.end(tasks);
    epochs.push(tasks[0]!.epoch);
    await yt.query('insert into sluice.sluice_work values ($1, $2, $3, $4, $5, 1, true)', [
      `work of ${flow} ${period}`,
      tasks[0]!.epoch,
      'record-1',
      run,
      flow,
    ]);
  }
  await settleRun(pool, run);
  return { run, epochs };
}

const look = (run: string) => doneOnce(pool, new Map([['yt', yt]]), run);

test('a run that was done once has no problems, and is counted', async () => {
  const { run } = await finishedRun();
  expect(await look(run)).toEqual({
    run,
    flows: 2,
    attempts: 2,
    lost: 0,
    requeued: 0,
    fenced: 2,
    problems: [],
  });
});

test.each([
  [
    'a flow without a result',
    "update run_flows set result = null where flow_id = 'B' and run_id = $1",
    /B: no result/,
  ],
  [
    'a flow that was done again',
    "update run_flows set generation = 2 where flow_id = 'B' and run_id = $1",
    /B: succeeded, generation 2/,
  ],
  [
    'a flow that succeeded twice',
    `insert into attempts (epoch, run_id, flow_id, generation, attempt, agent, sent_ms, outcome)
     select 900000 + epoch, run_id, flow_id, generation, 2, agent, sent_ms, 'succeeded' from attempts where flow_id = 'A' and run_id = $1`,
    /A succeeded twice/,
  ],
  [
    'an attempt that never ended',
    "update attempts set outcome = null where flow_id = 'A' and run_id = $1",
    /A: attempt \d+ has no end/,
  ],
  ['a hole in the log', 'delete from run_log where seq = 1 and run_id = $1', /has gaps/],
])('%s is named', async (_name, doctoring, problem) => {
  const { run } = await finishedRun();
  await pool.query(doctoring, [run]);
  const { problems } = await look(run);
  expect(problems.join('\n')).toMatch(problem);
});

test.each([
  [
    'of an attempt that was not accepted',
    'update sluice.sluice_work set epoch = 1 where run = $1',
    /not accepted/,
  ],
  ['that is not there', 'update sluice.sluice_work set done = false where run = $1', /effect is not there/],
])('an effect %s is named', async (_name, doctoring, problem) => {
  const { run } = await finishedRun();
  await yt.query(doctoring, [run]);
  expect((await look(run)).problems.join('\n')).toMatch(problem);
});

test('a request that fails or takes longer than its bound is noticed, one that the rules refuse is not', async () => {
  const requests = new Requests();
  const refusal = (status: number) =>
    new ApiProblem({
      type: '',
      title: '',
      status,
      detail: `status ${status}`,
      instance: '',
      code: 'wrong_state',
      remedy: '',
      retryable: false,
      facts: {},
      traceId: '',
    });
  await requests.ask('read', 'one', async () => 1);
  await requests.ask('verb', 'two', () => Promise.reject(refusal(409)));
  expect(requests.noticed()).toEqual([]);
  await requests.ask('verb', 'three', () => Promise.reject(refusal(503)));
  await requests.ask('read', 'four', () => Promise.reject(new Error('no answer')));
  expect(requests.noticed()).toEqual(['three: status 503', 'four: no answer']);
  const to = performance.now();
  const slow = to - BOUND_MS.read - 1;
  requests.note({ kind: 'read', what: 'five', from: slow, to, failure: null });
  expect(requests.noticed().at(-1)).toMatch(/^five took 300\d ms, more than 3000$/);
  expect(requests.figures()).toMatchObject({ read: { n: 3, worstMs: 3_001 }, verb: { n: 2 } });
  expect(requests.worstBetween(slow + 1, slow + 2)).toEqual({ read: 3_001, verb: 0, command: 0 });
});

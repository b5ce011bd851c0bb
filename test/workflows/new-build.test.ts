/**
 * Protocol A7 and decision 0009: a worker with another bundle takes the runs over. What it cannot replay, or would replay to another state, begins
 * again from the record.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { projectFolder } from '../../config.ts';
import { createPool } from '../../store/schema/pool.ts';
import { type Bundle, workflowBundle } from '../../worker/bundle.ts';
import {
  type Coordinated,
  type Meddling,
  startCoordinated,
  workUntilFinished,
} from '../support/coordinated.ts';
import { createTestDatabase } from '../support/database.ts';
import { doctoredBundle, incompatibleBundle } from '../support/doctored.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../support/estate.ts';
import { ask, outcomeOf, playAgent } from '../support/play.ts';

const database = await createTestDatabase('new_build');
const pool = createPool(database.url, { max: 6, name: 'test' });
const agent = await playAgent(pool, 'played');
const bundles = join(projectFolder, '.sluice', 'bundles');
const started = new Set<Coordinated>();
afterEach(async () => {
  for (const it of started) await it.stop();
  started.clear();
});
afterAll(() => pool.end());

async function start(meddling: Meddling): Promise<Coordinated> {
  const it = await startCoordinated(database, pool, meddling);
  started.add(it);
  return it;
}

async function stop(it: Coordinated): Promise<void> {
  started.delete(it);
  await it.stop();
}

const chain = (n: number) =>
  Array.from({ length: n }, (_, i) => ({ id: `F${i}`, after: i < 3 ? [] : [`F${i - 3}`] }));

const executionOf = async (coordinated: Coordinated, run: string): Promise<string> =>
  (await coordinated.client.workflow.getHandle(coordinated.workflowId(run)).describe()).runId;

const exchangeOf = async (run: string): Promise<number> =>
  (await pool.query('select exchange from run_counters where run_id = $1', [run])).rows[0].exchange;

/** Carries out some flows of the run. */
async function workSome(attempts: number): Promise<void> {
  for (let done = 0; done < attempts; ) {
    const tasks = await agent.claim(1);
    await agent.start(tasks);
    done += (await agent.end(tasks)).length;
    if (tasks.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Every flow ran exactly once, the log was read to its end, and exchanges are numbered without gap. */
async function soundRun(run: string, flows: number): Promise<void> {
  const attempts = await pool.query(
    "select count(*)::int as n, count(distinct flow_id)::int as flows from attempts where run_id = $1 and outcome = 'succeeded'",
    [run],
  );
  expect(attempts.rows[0]).toEqual({ n: flows, flows });
  const sound = await pool.query(
    `select c.log_seq = c.cursor as read, c.exchange = (select count(*) from exchanges e where e.run_id = c.run_id) as numbered
     from run_counters c where run_id = $1`,
    [run],
  );
  expect(sound.rows[0]).toEqual({ read: true, numbered: true });
}

test.each<[string, string, () => Promise<Bundle>]>([
  ['whose histories differ', '2080-01', incompatibleBundle],
  [
    'whose rules differ, so that old histories would replay without complaint,',
    '2080-02',
    () =>
      doctoredBundle(
        'graph/run/completion.ts',
        'export function lose(m: Machine, entry: LostEntry): void {',
        'export function lose(m: Machine, entry: LostEntry): void {\n  void m.now;',
      ),
  ],
])(
  'A7, A9: a worker with a bundle %s takes over while flows run: nothing is lost or doubled',
  async (_what, period, later) => {
    const first = await start({});
    await applyCatalogue(pool, catalogueText(chain(12)));
    const run = await openTestRun(pool, period);
    await workSome(5);
    // One flow is out and ends while no worker is there, and somebody asks for something.
    const out = await poll(() => agent.claim(1));
    await agent.start(out);
    const before = await executionOf(first, run);
    await stop(first);
    await agent.end(out);
    const hold = await ask(pool, run, 'expedite', ['F11']);
    const second = await start({ bundle: await later(), taskQueue: first.taskQueue });
    await workUntilFinished(pool, agent, run);
    await expect.poll(() => outcomeOf(pool, hold)).toEqual({ state: 'applied', code: null });
    expect(await executionOf(second, run)).not.toBe(before);
    await soundRun(run, 12);
  },
);

test('A7: two workers of different builds share the runs', async () => {
  const first = await start({ continueAfterEvents: 20 });
  await start({ continueAfterEvents: 20, taskQueue: first.taskQueue, bundle: await incompatibleBundle() });
  await applyCatalogue(pool, catalogueText(chain(30)));
  const run = await openTestRun(pool, '2080-03');
  await workUntilFinished(pool, agent, run);
  await soundRun(run, 30);
});

test('A9: a workflow that is ahead of a restored database freezes its run, also in the execution that takes over', async () => {
  const first = await start({});
  await applyCatalogue(pool, catalogueText(chain(3)));
  const run = await openTestRun(pool, '2080-04');
  await workSome(2);
  const seen = await poll(async () => {
    const n = await exchangeOf(run);
    const cursor = await pool.query('select cursor from run_counters where run_id = $1', [run]);
    return cursor.rows[0].cursor === 2 ? [n] : [];
  });
  await stop(first);
  // As if the database had been restored to before the second end.
  await pool.query('update run_counters set exchange = $2 where run_id = $1', [run, seen[0]! - 2]);
  await pool.query('delete from exchanges where run_id = $1 and n > $2', [run, seen[0]! - 2]);
  await start({ bundle: await incompatibleBundle(), taskQueue: first.taskQueue });
  await ask(pool, run, 'hold', ['F2']);
  await expect
    .poll(async () => (await pool.query('select frozen from runs where id = $1', [run])).rows[0].frozen)
    .toContain('restored');
});

test('A9: a history that does not fit the code although the build says so is given up for a new execution', async () => {
  const present = await workflowBundle(bundles);
  const other = await incompatibleBundle();
  // As a mistake in the bundler, or code that is not deterministic, would have it.
  const codePath = join(bundles, `workflows-disguised-${other.build}.js`);
  await writeFile(codePath, (await readFile(other.codePath, 'utf8')).replaceAll(other.build, present.build));
  const first = await start({});
  await applyCatalogue(pool, catalogueText(chain(6)));
  const run = await openTestRun(pool, '2080-05');
  await workSome(3);
  const before = await executionOf(first, run);
  await stop(first);
  const second = await start({ bundle: { ...present, codePath }, taskQueue: first.taskQueue });
  await workUntilFinished(pool, agent, run);
  expect(await executionOf(second, run)).not.toBe(before);
  await soundRun(run, 6);
});

test('A9, decision 0011: a history whose replay takes longer than a workflow task may is given up for a new execution', async () => {
  // A busy machine, or a history of days: each exchange costs a third of a second, but only in a replay.
  const bundle = await doctoredBundle(
    'workflows/run.ts',
    'apply(graph, state, groups, answer);',
    'for (let i = 0; workflowInfo().unsafe.isReplaying && i < 300_000_000; i++);\n    apply(graph, state, groups, answer);',
  );
  const first = await start({ bundle });
  await applyCatalogue(pool, catalogueText(chain(120)));
  const run = await openTestRun(pool, '2080-06');
  await workSome(115);
  const before = await executionOf(first, run);
  const handle = first.client.workflow.getHandle(first.workflowId(run));
  // What a task has done is in the history once it has ended.
  await expect.poll(async () => (await handle.describe()).historyLength).toBeGreaterThan(200);
  expect(await exchangeOf(run)).toBeGreaterThan(60);
  await stop(first);
  const second = await start({ bundle, taskQueue: first.taskQueue });
  await workUntilFinished(pool, agent, run);
  expect(await executionOf(second, run)).not.toBe(before);
  await soundRun(run, 120);
});

/** Asks until something comes. */
async function poll<T>(ask: () => Promise<T[]>): Promise<T[]> {
  for (;;) {
    const found = await ask();
    if (found.length > 0) return found;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

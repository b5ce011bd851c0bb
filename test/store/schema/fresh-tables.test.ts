/**
 * A fresh installation: PostgreSQL's statistics say that the tables are empty, plans were made from them, and a run of thousands of flows
 * starts. What statements read then must grow with the flows, not with their square: `GET /runs/:run` took 4 to 13 s.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { versionReader } from '../../../store/catalogue/catalogue.ts';
import { countFlows, readFirstFlowStates, readFlowStates } from '../../../store/history/flows.ts';
import { readPathFacts, readWhyFacts } from '../../../store/history/history.ts';
import { readShownRun } from '../../../store/history/runs.ts';
import { contextReader } from '../../../store/record/run-context.ts';
import { loadRun } from '../../../store/record/run-state.ts';
import { createPool } from '../../../store/schema/pool.ts';
import { settleRun } from '../../support/coordinator.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';
import { type Ran, watchPlans } from '../../support/plans.ts';
import { ask, type PlayedAgent, playAgent } from '../../support/play.ts';

const FLOWS = 3_000;
/** Attempts in one call of an agent. */
const GROUP = 50;
/** Rows for each flow of the run. A statement that compares all of them with each other has 1,000 and more. */
const LIMIT = 120;
const database = await createTestDatabase('fresh');
const pool = createPool(database.url, { max: 2, name: 'test' });
const ran = watchPlans(pool);
afterAll(() => pool.end());
const contextOf = contextReader(pool, versionReader(pool));
const limits = { graceMs: 0, leaseMs: 60_000 };

let agent: PlayedAgent;

const reads: [string, (run: string) => Promise<unknown>][] = [
  ['a run', async (run) => Promise.all([readShownRun(pool, run), countFlows(pool, run)])],
  [
    'a page of its flows',
    async (run) => {
      const { graph } = await contextOf(run);
      return readFirstFlowStates(pool, run, graph.ids, { states: null, keep: () => true, limit: 100 });
    },
  ],
  ['one flow', (run) => readFlowStates(pool, run, ['F0'])],
  ['why', async (run) => readWhyFacts(pool, await contextOf(run), limits)],
  ['the critical path', async (run) => readPathFacts(pool, await contextOf(run), 0)],
  ['the state of a coordinator', async (run) => loadRun(pool, await contextOf(run), 0)],
];

async function turn(run: string, n: number): Promise<void> {
  const tasks = await agent.claim(n);
  await agent.start(tasks);
  await agent.end(tasks);
  await settleRun(pool, run, contextOf);
}

async function open(flows: number, period: string): Promise<string> {
  await applyCatalogue(pool, catalogueText(Array.from({ length: flows }, (_, i) => ({ id: `F${i}` }))));
  return openTestRun(pool, period);
}

beforeAll(async () => {
  const tables = await pool.query<{ name: string }>(
    "select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace",
  );
  for (const { name } of tables.rows)
    await pool.query(`alter table ${name} set (autovacuum_enabled = false)`);
  await pool.query('analyze');
  agent = await playAgent(pool, 'a', { slots: 10_000 });
  // Plans of prepared statements are kept from the sixth use on.
  const small = await open(3, '2031-01');
  await settleRun(pool, small, contextOf);
  for (let i = 0; i < 8; i++) {
    for (const [, read] of reads) await read(small);
    await turn(small, 1);
  }
  await pool.query('analyze');
});

const worst = (): Ran => ran.reduce((most, entry) => (entry.rows > most.rows ? entry : most));

test('every statement of a run of 3,000 flows reads rows in proportion to its flows', async () => {
  const found: Record<string, number> = {};
  const measure = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    ran.length = 0;
    await work();
    const { rows } = worst();
    found[name] = Math.max(found[name] ?? 0, Math.round(rows));
  };
  let run = '';
  await measure('opening', async () => {
    run = await open(FLOWS, '2031-02');
  });
  await measure('release', () => settleRun(pool, run, contextOf));
  for (const [name, read] of reads) await measure(`${name}, all waiting`, () => read(run));
  let tasks: Awaited<ReturnType<PlayedAgent['claim']>> = [];
  await measure('a claim of 8', async () => {
    tasks = await agent.claim(8);
  });
  await measure('start of 8', () => agent.start(tasks));
  await measure('end of 8', () => agent.end(tasks));
  await measure('exchange of 8', () => settleRun(pool, run, contextOf));
  tasks = [];
  for (let i = 0; i < 2_000; i += GROUP)
    await measure(`a claim of ${GROUP}`, async () => void tasks.push(...(await agent.claim(GROUP))));
  for (const [name, read] of reads) await measure(`${name}, 2,000 in hand`, () => read(run));
  await measure('a claim of 8 beside them', () => agent.claim(8));
  for (let i = 0; i < tasks.length; i += GROUP)
    await measure(`a start of ${GROUP}`, () => agent.start(tasks.slice(i, i + GROUP)));
  for (const [name, read] of reads) await measure(`${name}, 2,000 running`, () => read(run));
  await measure('hold', async () => {
    await ask(pool, run, 'hold', ['F2999'], { reason: 'x' });
    await settleRun(pool, run, contextOf);
  });
  for (let i = 0; i < tasks.length; i += GROUP)
    await measure(`an end of ${GROUP}`, () => agent.end(tasks.slice(i, i + GROUP)));
  await measure('exchange of 2,000', () => settleRun(pool, run, contextOf));
  for (const [name, read] of reads) await measure(`${name}, 2,000 done`, () => read(run));
  const heavy = Object.entries(found).filter(([, rows]) => rows > LIMIT * FLOWS);
  expect(heavy).toEqual([]);
});

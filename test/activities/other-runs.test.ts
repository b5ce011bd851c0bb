/** Protocol A11: edges to other runs, over the real record; the coordinators are taken step by step. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Cycle } from '../../graph/model.ts';
import { blockers } from '../../graph/run/blockers.ts';
import { FLAG } from '../../graph/run/state.ts';
import { memberOf, planMembers } from '../../graph/verbs/rerun.ts';
import { versionReader } from '../../store/catalogue/catalogue.ts';
import { contextReader } from '../../store/record/run-context.ts';
import { readState } from '../../store/record/run-state.ts';
import { openRun } from '../../store/schedules/open-run.ts';
import { createPool } from '../../store/schema/pool.ts';
import { settleRun } from '../support/coordinator.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../support/estate.ts';
import { ask, outcomeOf, type PlayedAgent, playAgent, stateIn } from '../support/play.ts';

const database = await createTestDatabase('other-runs');
const pool = createPool(database.url, { max: 8, name: 'test' });
const versionOf = versionReader(pool);
const contextOf = contextReader(pool, versionOf);
let agent: PlayedAgent;
afterAll(() => pool.end());

const flow = (id: string, cycle: Cycle, after: unknown[] = []) => ({ id, cycle, after });

beforeAll(async () => {
  agent = await playAgent(pool, 'a1');
  await applyCatalogue(
    pool,
    catalogueText([
      flow('H', 'hour'),
      flow('D', 'day', [{ flow: 'H', period: 'everyHourOfDay' }]),
      flow('D0', 'day'),
      flow('D1', 'day', ['D0', { flow: 'D1', period: 'previous' }]),
      flow('D2', 'day', ['D1']),
      flow('M', 'month', [{ flow: 'D2', period: 'lastDayOfMonth' }]),
      flow('M2', 'month', ['M']),
    ]),
  );
});

beforeEach(() => pool.query('delete from outbox; delete from leases'));

const settle = (run: string) => settleRun(pool, run, contextOf);

/** Does whatever is offered of the named flows, in the runs given, until nothing is offered any more. */
async function work(runs: readonly string[], flows: readonly string[]): Promise<void> {
  for (;;) {
    for (const run of runs) await settle(run);
    const offered = await pool.query<{ run_id: string; flow_id: string }>(
      'select run_id, flow_id from outbox where claimed_epoch is null and run_id = any($1) and flow_id = any($2)',
      [runs, flows],
    );
    if (offered.rowCount === 0) return;
    const tasks = await agent.claim();
    const mine = tasks.filter((task) => flows.includes(task.flow));
    await agent.start(tasks);
    await agent.end(mine);
  }
}

async function seen(run: string, name: string) {
  const context = await contextOf(run);
  const s = await readState(pool, context, 0);
  const v = context.index.get(name)!;
  const flags = s.flags[v]!;
  return {
    blockers: blockers(context.graph, s, v).map((blocker) =>
      'run' in blocker ? `${blocker.code} ${blocker.run}` : blocker.code,
    ),
    tainted: (flags & FLAG.TAINTED) !== 0,
    stale: (flags & FLAG.STALE) !== 0,
    offered: (flags & FLAG.DISPATCHED) !== 0,
  };
}

async function rerun(run: string, root: string): Promise<void> {
  const { graph, index } = await contextOf(run);
  const state = await readState(pool, await contextOf(run), 0);
  const members = planMembers(graph, state, [index.get(root)!], 'only');
  const plan = {
    id: `plan-${Math.random()}`,
    graphVersion: graph.version,
    roots: [root],
    members: members.map((v) => memberOf(graph, state, v)),
    running: 'supersede',
    keepWaives: true,
  };
  const operation = await ask(pool, run, 'rerun', [], { plan });
  await settle(run);
  expect(await outcomeOf(pool, operation)).toEqual({ state: 'applied', code: null });
}

let next = 0;
/** Two days, one after the other, that no other test has. */
function days(): [string, string] {
  const n = next++;
  return [`2031-${String(n + 1).padStart(2, '0')}-10`, `2031-${String(n + 1).padStart(2, '0')}-11`];
}

/** The first day has nothing before it: its own edge to yesterday is set aside. */
async function openFirst(day: string): Promise<string> {
  const run = await openTestRun(pool, day, 'day');
  await ask(pool, run, 'waive', [], { edges: [{ from: 'D1', to: 'D1' }] });
  await settle(run);
  return run;
}

describe('A11: an edge to another run', () => {
  test('waits for the scheduled run of the mapped period, and is met when the upstream is done there', async () => {
    const [a, b] = days();
    const first = await openFirst(a);
    const second = await openTestRun(pool, b, 'day');
    await work([second], ['D0']);
    expect(await seen(second, 'D1')).toMatchObject({ blockers: [`other_run ${first}`], offered: false });
    await work([first], ['D0', 'D1']);
    await settle(second);
    expect(await seen(second, 'D1')).toMatchObject({ blockers: [], offered: true });
  });

  test('is met from the opening on when the upstream was done before', async () => {
    const [a, b] = days();
    const first = await openFirst(a);
    await work([first], ['D0', 'D1']);
    const second = await openTestRun(pool, b, 'day');
    const log = await pool.query('select kind, body from run_log where run_id = $1', [second]);
    expect(log.rows).toEqual([
      { kind: 'external', body: { type: 'upstream', run: first, flows: [['D1', 2, 0]], via: [] } },
    ]);
    await work([second], ['D0']);
    expect(await seen(second, 'D1')).toMatchObject({ blockers: [], offered: true });
  });

  test('waits for a run that is not opened yet, and hears of it when it is', async () => {
    const [a, b] = days();
    const second = await openTestRun(pool, b, 'day');
    await work([second], ['D0']);
    expect(await seen(second, 'D1')).toMatchObject({ blockers: [`other_run day-${a}`] });
    const first = await openFirst(a);
    await work([first], ['D0', 'D1']);
    await settle(second);
    expect(await seen(second, 'D1')).toMatchObject({ blockers: [], offered: true });
  });

  test('subscribing waits for the exchange that is releasing the upstream, and finds what it has released', async () => {
    const [a, b] = days();
    const first = await openFirst(a);
    // Somebody else subscribed before: the upstream's row is not written to again.
    await openRun(
      { pool, versionOf },
      { cycle: 'day', period: b, purpose: 'backfill', procedures: null },
      'test',
    );
    const holder = await pool.connect();
    await holder.query('begin');
    await holder.query('select 1 from run_counters where run_id = $1 for update', [first]);
    const opening = openTestRun(pool, b, 'day');
    const waiting = async (): Promise<number> =>
      (
        await pool.query(
          "select count(*)::int as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
        )
      ).rows[0].n;
    await expect.poll(waiting, { interval: 5 }).toBe(1);
    await holder.query("update run_flows set result = 'succeeded' where run_id = $1 and flow_id = 'D1'", [
      first,
    ]);
    await holder.query('commit');
    holder.release();
    const second = await opening;
    const log = await pool.query("select body->'flows' as flows from run_log where run_id = $1", [second]);
    expect(log.rows).toEqual([{ flows: [['D1', 1, 0]] }]);
  });

  test('a month waits for its last day, a day for each of its hours', async () => {
    const hours = Array.from({ length: 24 }, (_, h) => `20320131${String(h).padStart(2, '0')}`);
    const day = await openTestRun(pool, '2032-01-31', 'day');
    const month = await openTestRun(pool, '2032-01');
    const runs: string[] = [];
    for (const hour of hours) runs.push(await openTestRun(pool, hour, 'hour'));
    await ask(pool, day, 'waive', [], { edges: [{ from: 'D1', to: 'D1' }] });
    await work(runs.slice(1), ['H']);
    await work([day], ['D', 'D0', 'D1', 'D2']);
    expect(await seen(day, 'D')).toMatchObject({ blockers: ['other_run hour-2032013100'] });
    await work(runs.slice(0, 1), ['H']);
    await work([day, month], ['D', 'M', 'M2']);
    expect(await stateIn(pool, day, 'D')).toMatchObject({ result: 'succeeded' });
    expect(await stateIn(pool, month, 'M2')).toMatchObject({ result: 'succeeded' });
    const finished = await pool.query('select id from runs where id = any($1) and finished_ms is null', [
      [day, month],
    ]);
    expect(finished.rows).toEqual([]);
  });

  test('a run of a backfill waits for the runs of the same backfill where it has them', async () => {
    const [a, b] = days();
    const open = (period: string, beside: string[]) =>
      openRun(
        { pool, versionOf },
        {
          cycle: 'day',
          period,
          purpose: 'backfill',
          procedures: null,
          beside: beside.map((run) => ({ run, flows: null })),
        },
        'test',
      );
    const set = [`day-${a}-backfill-1`, `day-${b}-backfill-1`];
    const second = await open(b, set);
    const first = await open(a, set);
    const waits = await pool.query(
      "select run_id, upstream_run from subscriptions where run_id = any($1) and upstream_flow = 'D1' order by run_id",
      [set],
    );
    const before = `day-${a.slice(0, -2)}09`;
    expect(waits.rows).toEqual([
      { run_id: first.id, upstream_run: before },
      { run_id: second.id, upstream_run: first.id },
    ]);
  });
});

describe('D6 over run borders', () => {
  test('a force-pass frees what waits in another run, tainted', async () => {
    const [a, b] = days();
    const first = await openTestRun(pool, a, 'day');
    const second = await openTestRun(pool, b, 'day');
    await ask(pool, first, 'force-pass', ['D1']);
    await settle(first);
    await work([second], ['D0', 'D1']);
    expect(await stateIn(pool, second, 'D1')).toMatchObject({ result: 'succeeded' });
    expect(await seen(second, 'D1')).toMatchObject({ tainted: true });
  });

  test('a rerun upstream takes back what nobody has claimed, and lets it go with the new result', async () => {
    const [a, b] = days();
    const first = await openFirst(a);
    const second = await openTestRun(pool, b, 'day');
    await work([first], ['D0', 'D1']);
    await work([second], ['D0']);
    expect(await seen(second, 'D1')).toMatchObject({ offered: true });
    await rerun(first, 'D1');
    await settle(second);
    expect(await seen(second, 'D1')).toMatchObject({
      offered: false,
      stale: false,
      blockers: [`other_run ${first}`],
    });
    await work([first], ['D1']);
    await settle(second);
    expect(await seen(second, 'D1')).toMatchObject({ offered: true, stale: false });
  });

  test('a rerun upstream makes stale what has started on the old result, in every run below', async () => {
    const [a, b] = days();
    const c = `${b.slice(0, -2)}12`;
    const runs = [await openFirst(a), await openTestRun(pool, b, 'day'), await openTestRun(pool, c, 'day')];
    await work(runs, ['D0', 'D1', 'D2']);
    // D1 waits for D0; the other two days wait for D1.
    await rerun(runs[0]!, 'D0');
    for (const run of runs) await settle(run);
    expect(await seen(runs[0]!, 'D0')).toMatchObject({ stale: false });
    for (const run of runs) expect(await seen(run, 'D1')).toMatchObject({ stale: true });
    expect(await seen(runs[2]!, 'D2')).toMatchObject({ stale: true });
    expect(await seen(runs[2]!, 'D0')).toMatchObject({ stale: false });
    await rerun(runs[2]!, 'D1');
    expect(await seen(runs[2]!, 'D1')).toMatchObject({ stale: false });
  });
});

test('A9: a rebuilt state knows what it heard of other runs', async () => {
  const [a, b] = days();
  const first = await openFirst(a);
  const second = await openTestRun(pool, b, 'day');
  await work([first], ['D0', 'D1']);
  const { state } = await settle(second);
  const rebuilt = await readState(pool, await contextReader(pool, versionOf)(second), 0);
  expect([...rebuilt.foreignMet]).toEqual([...state.foreignMet]);
  expect([...state.foreignMet].filter((met) => met === 2)).toHaveLength(1);
  expect([...rebuilt.unmet]).toEqual([...state.unmet]);
});

test('a run that nobody waits for asks nothing about other runs', async () => {
  const run = await openTestRun(pool, '2033-05-05', 'day');
  const found = await pool.query('select subscribed from run_counters where run_id = $1', [run]);
  expect(found.rows[0].subscribed).toBe(false);
});

test('A11: round a loop over two runs the news of a redo comes to an end', async () => {
  await applyCatalogue(
    pool,
    catalogueText([flow('R', 'day', ['L']), flow('L', 'month', [{ flow: 'R', period: 'lastDayOfMonth' }])]),
    // The check finds it; from outside it may come all the same (protocol D7).
    'import',
  );
  const day = await openTestRun(pool, '2034-01-31', 'day');
  const month = await openTestRun(pool, '2034-01');
  await ask(pool, day, 'waive', [], { edges: [{ from: 'L', to: 'R' }] });
  await work([day, month], ['R', 'L']);
  expect(await stateIn(pool, month, 'L')).toMatchObject({ result: 'succeeded' });
  await settle(day);
  await rerun(day, 'R');
  const lengths = async (): Promise<unknown> =>
    (
      await pool.query('select log_seq from run_counters where run_id = any($1) order by run_id', [
        [day, month],
      ])
    ).rows;
  for (let i = 0; i < 3; i++) for (const run of [month, day]) await settle(run);
  const before = await lengths();
  for (let i = 0; i < 3; i++) for (const run of [month, day]) await settle(run);
  expect(await lengths()).toEqual(before);
  expect(await seen(month, 'L')).toMatchObject({ stale: true });
  expect(await seen(day, 'R')).toMatchObject({ stale: false });
});

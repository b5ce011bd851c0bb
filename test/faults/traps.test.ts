/**
 * Traps that a coordinator on Temporal falls into, each sprung on purpose with a real server, a real worker and the real record; which
 * trap is which: docs/reliability.md.
 */
import pg from 'pg';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { createPool } from '../../store/schema/pool.ts';
import { startTestApi } from '../support/api.ts';
import {
  type Coordinated,
  type Meddling,
  startCoordinated,
  workUntilFinished,
} from '../support/coordinated.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../support/estate.ts';
import { ask, playAgent } from '../support/play.ts';

const database = await createTestDatabase('traps');
const pool = createPool(database.url, { max: 12, name: 'test' });
const api = await startTestApi(database, { coordinator: false });
const agent = await playAgent(pool, 'played', { slots: 500 });
const started: Coordinated[] = [];
afterEach(async () => {
  for (const it of started.splice(0)) await it.stop();
});
afterAll(() => pool.end());

async function coordinate(meddling: Meddling, on = database): Promise<Coordinated> {
  const it = await startCoordinated(on, pool, meddling);
  started.push(it);
  return it;
}

const layers = (depth: number, width: number) =>
  Array.from({ length: depth * width }, (_, i) => ({
    id: `F${i}`,
    after:
      i < width ? [] : [0, 1, 2].map((k) => `F${(Math.floor(i / width) - 1) * width + ((i + k) % width)}`),
  }));

/** Every flow ran exactly once, the log is without gap and read to its end. */
async function soundRun(run: string, flows: number): Promise<void> {
  const attempts = await pool.query(
    "select count(*)::int as n, count(distinct flow_id)::int as flows from attempts where run_id = $1 and outcome = 'succeeded'",
    [run],
  );
  expect(attempts.rows[0]).toEqual({ n: flows, flows });
  const log = await pool.query(
    `select c.log_seq = c.cursor and c.log_seq = (select count(*) from run_log l where l.run_id = c.run_id) as sound
     from run_counters c where run_id = $1`,
    [run],
  );
  expect(log.rows[0].sound).toBe(true);
}

const eventsOf = async (coordinated: Coordinated, run: string) =>
  (await coordinated.client.workflow.getHandle(coordinated.workflowId(run)).fetchHistory()).events ?? [];

describe('3: the workflow task fails after its local activity (docs/reliability.md, trap 3)', () => {
  test('A5: each exchange is done again by the next task and adopted; nothing is lost or doubled', async () => {
    const asked = new Map<number, number>();
    const it = await coordinate({
      // What it gives the workflow the first time makes its code throw: the task fails, and what its local activity said is forgotten.
      afterExchange(_run, n, result) {
        asked.set(n, (asked.get(n) ?? 0) + 1);
        return n % 3 === 0 && asked.get(n) === 1 ? { ...result, entries: undefined } : result;
      },
    });
    await applyCatalogue(pool, catalogueText(layers(6, 3)));
    const run = await openTestRun(pool, '2060-01');
    // Its first task is over: one that failed would begin with loading the record again, and not with the exchange that is in it.
    await expect
      .poll(async () =>
        (await eventsOf(it, run).catch(() => [])).some((e) => e.workflowTaskCompletedEventAttributes != null),
      )
      .toBe(true);
    const hold = await ask(pool, run, 'hold', ['F17']);
    const unheld = (async () => {
      await expect
        .poll(
          async () => (await pool.query('select state from operations where id = $1', [hold])).rows[0].state,
        )
        .toBe('applied');
      await ask(pool, run, 'unhold', ['F17']);
    })();
    await workUntilFinished(pool, agent, run);
    await unheld;
    await soundRun(run, 18);
    // The trap was sprung again and again, and each of these exchanges came again.
    const exchanges = await pool.query('select exchange from run_counters where run_id = $1', [run]);
    expect(exchanges.rows[0].exchange).toBeGreaterThan(10);
    const poisoned = (): number[] => [...asked.keys()].filter((n) => n % 3 === 0);
    expect(poisoned().length).toBeGreaterThan(3);
    // The last of them may come again after the run's end.
    await expect.poll(() => poisoned().filter((n) => asked.get(n)! < 2)).toEqual([]);
    const failed = (await eventsOf(it, run)).filter(
      (event) => event.workflowTaskFailedEventAttributes != null,
    );
    expect(failed.length).toBeGreaterThan(0);
    const audit = await pool.query('select verb from audit where run_id = $1 order by id', [run]);
    expect(audit.rows.map((row) => row.verb)).toEqual(['hold', 'unhold']);
  });
});

describe('5: continue-as-new forced every 20 events while operators work', () => {
  test('A7: with two workers and four operators at it, it is not starved, and nothing is lost', async () => {
    const it = await coordinate({ continueAfterEvents: 20 });
    await coordinate({ continueAfterEvents: 20, taskQueue: it.taskQueue });
    await applyCatalogue(pool, catalogueText(layers(20, 25)));
    const run = await openTestRun(pool, '2060-02');
    let working = true;
    const asked: string[] = [];
    const operators = Array.from({ length: 4 }, async (_, who) => {
      for (let i = 0; working; i++) {
        const flow = `F${(i * 37 + who * 113) % 500}`;
        asked.push(await ask(pool, run, ['hold', 'expedite', 'skip'][i % 3]!, [flow]));
        asked.push(await ask(pool, run, ['unhold', 'unhold', 'unskip'][i % 3]!, [flow]));
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    });
    await workUntilFinished(pool, agent, run);
    working = false;
    await Promise.all(operators);
    await expect
      .poll(
        async () =>
          (
            await pool.query(
              "select count(*)::int as n from operations where run_id = $1 and state = 'requested'",
              [run],
            )
          ).rows[0].n,
      )
      .toBe(0);
    await workUntilFinished(pool, agent, run);
    const audit = await pool.query(
      'select count(*)::int as n, count(distinct operation_id)::int as operations from audit where run_id = $1',
      [run],
    );
    expect(audit.rows[0]).toEqual({ n: asked.length, operations: asked.length });
    expect(asked.length).toBeGreaterThan(40);
    const done = await pool.query(
      `select count(*)::int as n from run_flows f where run_id = $1 and (result = 'skipped' or
         (result = 'succeeded' and 1 = (select count(*) from attempts a where a.run_id = f.run_id and a.flow_id = f.flow_id and a.outcome = 'succeeded')))`,
      [run],
    );
    expect(done.rows[0].n).toBe(500);
    // The coordinator continues as new again and again, although there is hardly a quiet moment: no history grew far beyond its 20 events.
    const chain: number[] = [];
    for await (const execution of it.client.workflow.list({ query: `WorkflowId = '${it.workflowId(run)}'` }))
      chain.push(execution.historyLength);
    expect(chain.length).toBeGreaterThanOrEqual(3);
    expect(Math.max(...chain)).toBeLessThan(100);
  });
});

describe('7: lost wake signals', () => {
  test('A6: no notification ever arrives and every other signal is swallowed: the poll carries the run to its end', async () => {
    // In this database NOTIFY is a function that does nothing: found before PostgreSQL's own.
    const silent = await createTestDatabase('traps_silent');
    const admin = new pg.Client({ connectionString: silent.url });
    await admin.connect();
    await admin.query(`create schema silent;
      create function silent.pg_notify(text, text) returns void language sql as 'select null::void';
      alter database ${silent.name} set search_path = silent, public, pg_catalog`);
    await admin.end();
    const own = createPool(silent.url, { max: 5, name: 'test-silent' });
    let nth = 0;
    let swallowed = 0;
    const it = await startCoordinated(silent, own, {
      swallow() {
        const gone = nth++ % 2 === 0;
        if (gone) swallowed++;
        return gone;
      },
    });
    try {
      const worker = await playAgent(own, 'played-silent');
      await applyCatalogue(own, catalogueText(layers(3, 2)));
      const run = await openTestRun(own, '2060-03');
      await workUntilFinished(own, worker, run);
      const done = await own.query(
        "select count(*)::int as n from run_flows where run_id = $1 and result = 'succeeded'",
        [run],
      );
      expect(done.rows[0].n).toBe(6);
      expect(swallowed).toBeGreaterThanOrEqual(4);
    } finally {
      await it.stop();
      await own.end();
    }
  });
});

describe('10: ten thousand below one, one below ten thousand', () => {
  test('A2, A6: fan-out and fan-in of 10,000 and a rerun of a tenth stay far below the limits of a history', async () => {
    const it = await coordinate({});
    const middle = Array.from({ length: 10_000 }, (_, i) => `M${i}`);
    await applyCatalogue(
      pool,
      catalogueText([
        { id: 'ROOT' },
        ...middle.map((id) => ({ id, after: ['ROOT'] })),
        { id: 'END', after: middle },
      ]),
    );
    const run = await openTestRun(pool, '2060-04');
    expect(await workUntilFinished(pool, agent, run)).toBe(10_002);
    await soundRun(run, 10_002);
    const last = await pool.query(
      `select flow_id from attempts where run_id = $1 order by sent_ms desc, epoch desc limit 1`,
      [run],
    );
    expect(last.rows[0].flow_id).toBe('END');

    const operator = await api.actor({ name: 'redoer', kind: 'person', roles: ['operator'] });
    const plan = await operator.post(`/runs/${run}/rerun-plans`, {
      flows: middle.slice(0, 1_000),
      scope: 'downstream',
    });
    expect([plan.status, plan.body.members.length]).toEqual([201, 1_001]);
    const applied = await operator.post(`/runs/${run}/rerun-plans/${plan.body.id}/apply`, {
      reason: 'a tenth again',
    });
    expect(applied.status).toBe(200);
    expect(await workUntilFinished(pool, agent, run)).toBe(1_001);
    const { historyLength, historySize } = await it.client.workflow.getHandle(it.workflowId(run)).describe();
    expect(historyLength).toBeLessThan(1_000);
    expect(historySize ?? 0).toBeLessThan(4 * 1024 * 1024);
  });
});

describe('12: forty operators at once', () => {
  test('B1, B2: two hundred verbs on one run while flows run: each is answered with its outcome, none is lost', async () => {
    await coordinate({});
    await applyCatalogue(pool, catalogueText(layers(10, 30)));
    const run = await openTestRun(pool, '2060-05');
    const working = workUntilFinished(pool, agent, run);
    const people = await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        api.actor({ name: `person${i}`, kind: 'person', roles: ['operator'] }),
      ),
    );
    const answers = await Promise.all(
      people.flatMap((person, i) =>
        Array.from({ length: 5 }, async (_, k) => {
          const flows = [`F${(i * 7 + k * 31) % 300}`];
          const verb = k % 2 === 0 ? 'hold' : 'unhold';
          return await person.post(`/runs/${run}/${verb}`, { flows, reason: 'all at once' });
        }),
      ),
    );
    // 200: done; 409: the flow had begun or was done. No answer says 'later', nobody waits beyond the API's own limit.
    expect(answers.filter((answer) => answer.status !== 200 && answer.status !== 409)).toEqual([]);
    const held = await pool.query(
      "select flow_id from overrides where run_id = $1 and kind = 'hold' and ended_ms is null",
      [run],
    );
    if (held.rows.length > 0) {
      const flows = held.rows.map((row) => row.flow_id);
      expect((await people[0]!.post(`/runs/${run}/unhold`, { flows, partial: true })).status).toBe(200);
    }
    await working;
    await soundRun(run, 300);
    const audit = await pool.query(
      "select count(*)::int as n from audit where run_id = $1 and outcome in ('applied', 'refused')",
      [run],
    );
    expect(audit.rows[0].n).toBe(200 + (held.rows.length > 0 ? 1 : 0));
  });
});

import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { registerAgent } from '../../../store/agents/agents.ts';
import { completeAttempts } from '../../../store/agents/attempts.ts';
import { endLeases, silentLeases } from '../../../store/agents/lease-end.ts';
import { versionReader } from '../../../store/catalogue/catalogue.ts';
import { contextReader } from '../../../store/record/run-context.ts';
import { createPool } from '../../../store/schema/pool.ts';
import { settleRun } from '../../support/coordinator.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';
import { LEASE_MS, playAgent, stateIn } from '../../support/play.ts';

const database = await createTestDatabase('agents');
const pool = createPool(database.url, { max: 20, name: 'test' });
afterAll(() => pool.end());

let opened = 0;
const nextPeriod = (): string => {
  const n = opened++;
  return `${2031 + Math.floor(n / 12)}-${String((n % 12) + 1).padStart(2, '0')}`;
};

async function open(flows: Parameters<typeof catalogueText>[0], frame = {}): Promise<string> {
  await applyCatalogue(pool, catalogueText(flows, frame));
  const run = await openTestRun(pool, nextPeriod());
  await settleRun(pool, run);
  return run;
}

/** Ends whatever is open, so that tests do not meet. */
async function cleanUp(): Promise<void> {
  await pool.query(
    'delete from outbox; delete from leases; delete from locks; update pools set used = 0; delete from pauses',
  );
}

describe('C3: a result counts only under the current epoch', () => {
  test('a requeued epoch is stale; the next claim has a new epoch and counts', async () => {
    const run = await open([{ id: 'A' }]);
    const first = await playAgent(pool, 'first');
    const [task] = await first.claim();
    expect(await endLeases(pool, [task!.epoch], null)).toEqual({ requeued: 1, lost: 0 });
    expect(await first.start([task!])).toEqual([]);
    expect(await first.end([task!])).toEqual([]);
    const second = await playAgent(pool, 'second');
    const [again] = await second.claim();
    expect(again!.epoch).toBeGreaterThan(task!.epoch);
    expect(again).toMatchObject({ flow: 'A', generation: 1, attempt: 1 });
    await second.start([again!]);
    expect(await second.end([again!])).toEqual([again!.epoch]);
    await settleRun(pool, run);
    expect(await stateIn(pool, run, 'A')).toMatchObject({ result: 'succeeded' });
  });

  test('the same result from 20 callers at once is accepted exactly once', async () => {
    const run = await open([{ id: 'A' }]);
    const agent = await playAgent(pool, 'many');
    const tasks = await agent.claim();
    await agent.start(tasks);
    const answers = await Promise.all(Array.from({ length: 20 }, () => agent.end(tasks)));
    expect(answers.flat()).toEqual([tasks[0]!.epoch]);
    const log = await pool.query(
      "select count(*)::int as n from run_log where run_id = $1 and kind = 'completion'",
      [run],
    );
    expect(log.rows[0].n).toBe(1);
  });
});

describe('C3: what an agent says is believed once, of its own attempts, in their run', () => {
  test('a call repeated in one group with its first logs one end', async () => {
    const run = await open([{ id: 'A' }]);
    const agent = await playAgent(pool, 'repeated');
    const tasks = await agent.claim();
    await agent.start(tasks);
    expect(await agent.end([...tasks, ...tasks])).toEqual([tasks[0]!.epoch, tasks[0]!.epoch]);
    const log = await pool.query('select kind from run_log where run_id = $1', [run]);
    expect(log.rows).toEqual([{ kind: 'completion' }]);
  });

  test('a result that names another run, or comes from another agent, is stale and leaves no trace in any log', async () => {
    const other = await open([{ id: 'A' }]);
    await cleanUp();
    const run = await open([{ id: 'A' }]);
    const agent = await playAgent(pool, 'owner');
    const stranger = await playAgent(pool, 'stranger');
    const tasks = await agent.claim();
    await agent.start(tasks);
    expect(await agent.end(tasks, { run: other })).toEqual([]);
    expect(await stranger.end(tasks)).toEqual([]);
    const log = await pool.query('select 1 from run_log where run_id = any($1::text[])', [[run, other]]);
    expect(log.rowCount).toBe(0);
    expect(await agent.end(tasks)).toEqual([tasks[0]!.epoch]);
  });
});

describe('C4: silence', () => {
  test('a claim that never started is not given to another agent while its flow waits for something else', async () => {
    const run = await open([{ id: 'A' }]);
    const agent = await playAgent(pool, 'unstarted');
    const [task] = await agent.claim();
    // As an exchange writes it when an upstream of a claimed flow is redone.
    await pool.query("update run_flows set phase = 'waiting_upstream' where run_id = $1", [run]);
    expect(await endLeases(pool, [task!.epoch], null)).toEqual({ requeued: 1, lost: 0 });
    expect(await agent.claim()).toEqual([]);
    const log = await pool.query('select kind, outcome from run_log where run_id = $1', [run]);
    expect(log.rows).toEqual([{ kind: 'completion', outcome: 'requeued' }]);
    await settleRun(pool, run);
    const [next] = await agent.claim();
    expect(next).toMatchObject({ flow: 'A', generation: 1, attempt: 2 });
  });

  test('a started attempt is lost, and a fenced program gets its next attempt at once', async () => {
    const run = await open([{ id: 'A' }]);
    const agent = await playAgent(pool, 'silent');
    const tasks = await agent.claim();
    await agent.start(tasks);
    expect(await endLeases(pool, [tasks[0]!.epoch], null)).toEqual({ requeued: 0, lost: 1 });
    await settleRun(pool, run);
    const [next] = await agent.claim();
    expect(next).toMatchObject({ flow: 'A', attempt: 2 });
  });

  test('the reaper takes nothing without an API that was there, unbroken, for the lease time', async () => {
    await open([{ id: 'A' }]);
    const agent = await playAgent(pool, 'reaped');
    const tasks = await agent.claim();
    await pool.query('update leases set seen_ms = seen_ms - 2 * lease_ms');
    expect(await silentLeases(pool)).toEqual([]);
    await pool.query(
      'insert into api_beats (api, since_ms, beat_ms) values ($1, clock_ms() - 1000, clock_ms())',
      ['young'],
    );
    expect(await silentLeases(pool)).toEqual([]);
    await pool.query(
      'insert into api_beats (api, since_ms, beat_ms) values ($1, clock_ms() - 600000, clock_ms() - 5000)',
      ['dead'],
    );
    expect(await silentLeases(pool)).toEqual([]);
    await pool.query('update api_beats set since_ms = clock_ms() - 600000 where api = $1', ['young']);
    expect(await silentLeases(pool)).toEqual([tasks[0]!.epoch]);
    // A heartbeat between the look and the deed saves the lease.
    await pool.query('update leases set seen_ms = clock_ms()');
    expect(await endLeases(pool, [tasks[0]!.epoch], { silent: true })).toEqual({ requeued: 0, lost: 0 });
  });
});

describe('C4: a lost attempt', () => {
  test("is waited out for the installation's orphan time and grace, or for the flow's own", async () => {
    const program = { type: 'shell', command: ['true'] };
    const run = await open([
      { id: 'A', program, idempotent: true },
      { id: 'B', program, idempotent: true, orphanMs: 7_000 },
    ]);
    const contextOf = contextReader(pool, versionReader(pool, { orphanMs: 5_000 }));
    const agent = await playAgent(pool, 'orphans');
    const tasks = await agent.claim();
    await agent.start(tasks);
    await endLeases(
      pool,
      tasks.map((task) => task.epoch),
      null,
    );
    await settleRun(pool, run, contextOf, 100);
    const waits = await pool.query(
      `select f.flow_id, (f.due_ms - l.at_ms)::int as wait from run_flows f join run_log l using (run_id, flow_id)
       where f.run_id = $1 and l.kind = 'lost' order by 1`,
      [run],
    );
    expect(waits.rows).toEqual([
      { flow_id: 'A', wait: 5_100 },
      { flow_id: 'B', wait: 7_100 },
    ]);
  });
});

describe('C7: a late effect', () => {
  test('a lost attempt that reports a success afterwards is stale and tells the coordinator once', async () => {
    const run = await open([{ id: 'A' }]);
    const agent = await playAgent(pool, 'late');
    const tasks = await agent.claim();
    await agent.start(tasks);
    await endLeases(pool, [tasks[0]!.epoch], null);
    expect(await agent.end(tasks)).toEqual([]);
    expect(await agent.end(tasks)).toEqual([]);
    const log = await pool.query('select kind, body from run_log where run_id = $1 order by seq', [run]);
    expect(log.rows).toEqual([
      { kind: 'lost', body: null },
      { kind: 'external', body: { type: 'effect' } },
    ]);
  });

  test('C4: one that reports a failure tells it once, so that the next attempt need not wait for its end', async () => {
    const run = await open([{ id: 'A' }]);
    const agent = await playAgent(pool, 'late-failure');
    const tasks = await agent.claim();
    await agent.start(tasks);
    await endLeases(pool, [tasks[0]!.epoch], null);
    const failure = { outcome: 'failed', failure: 'program', effect: false } as const;
    expect(await agent.end(tasks, failure)).toEqual([]);
    expect(await agent.end(tasks, failure)).toEqual([]);
    const log = await pool.query('select kind, body from run_log where run_id = $1 order by seq', [run]);
    expect(log.rows).toEqual([
      { kind: 'lost', body: null },
      { kind: 'external', body: { type: 'end' } },
    ]);
  });
});

describe('C8: agents', () => {
  test('a live name is refused to another process, given to a restart with the same lock, and to anybody after the lease', async () => {
    const hello = {
      agent: 'named',
      instance: 'instance-1',
      lockToken: 'lock-of-machine-1',
      platform: 'yt',
      slots: 4,
      labels: [],
      version: '',
      protocol: 2,
      held: [],
    };
    await registerAgent(pool, hello, LEASE_MS);
    await expect(
      registerAgent(pool, { ...hello, instance: 'instance-2', lockToken: 'lock-of-machine-2' }, LEASE_MS),
    ).rejects.toMatchObject({ code: 'agent_name_taken' });
    await registerAgent(pool, { ...hello, instance: 'instance-3' }, LEASE_MS);
    await pool.query("update agents set seen_ms = seen_ms - 2 * 60000 where name = 'named'");
    await registerAgent(pool, { ...hello, instance: 'instance-4', lockToken: 'lock-of-machine-2' }, LEASE_MS);
  });

  test('a restart that holds nothing gives back what was sent and loses what was started', async () => {
    await open([{ id: 'A' }, { id: 'B' }]);
    const before = await playAgent(pool, 'again', { lockToken: 'the-same-lock-file' });
    const tasks = await before.claim();
    await before.start([tasks[0]!]);
    await playAgent(pool, 'again', { lockToken: 'the-same-lock-file' });
    const attempts = await pool.query(
      'select flow_id, outcome from attempts where epoch = any($1::bigint[]) order by epoch',
      [tasks.map((t) => t.epoch)],
    );
    expect(attempts.rows.map((row) => row.outcome)).toEqual(['lost', 'requeued']);
    await expect(before.claim()).rejects.toMatchObject({ code: 'agent_name_taken' });
  });

  test('slots are open leases: 30 claims at once never exceed them', async () => {
    await open(Array.from({ length: 60 }, (_, i) => ({ id: `F${i}` })));
    const agent = await playAgent(pool, 'slots', { slots: 7 });
    const claims = await Promise.all(Array.from({ length: 30 }, () => agent.claim(5)));
    expect(claims.flat()).toHaveLength(7);
  });
});

describe('C9: pools, locks, pauses', () => {
  test('a pool is never exceeded by claims at once, and freed when attempts end', async () => {
    await open(
      Array.from({ length: 20 }, (_, i) => ({ id: `F${i}`, uses: [{ pool: 'sessions', n: 2 }] })),
      { pools: [{ id: 'sessions', size: 5 }] },
    );
    const agents = await Promise.all(['p1', 'p2', 'p3', 'p4'].map((name) => playAgent(pool, name)));
    const claims = await Promise.all(agents.map((agent) => agent.claim(20)));
    expect(claims.flat()).toHaveLength(2);
    const used = await pool.query("select used from pools where name = 'sessions'");
    expect(used.rows[0].used).toBe(4);
    const owner = agents.findIndex((_, i) => claims[i]!.length > 0);
    await agents[owner]!.start(claims[owner]!);
    await agents[owner]!.end(claims[owner]!);
    const left = claims.flat().length - claims[owner]!.length;
    expect((await pool.query("select used from pools where name = 'sessions'")).rows[0].used).toBe(2 * left);
  });

  test('C9: a flow that does not fit into its pool does not stand before one that needs none', async () => {
    await open([{ id: 'BIG', uses: [{ pool: 'wide', n: 2 }] }, { id: 'SMALL' }], {
      pools: [{ id: 'wide', size: 2 }],
    });
    await pool.query("update pools set used = 1 where name = 'wide'");
    const agent = await playAgent(pool, 'passing', { slots: 1 });
    expect((await agent.claim()).map((task) => task.flow)).toEqual(['SMALL']);
  });

  test('nothing begins in a closed or a frozen run', async () => {
    const run = await open([{ id: 'A' }]);
    const agent = await playAgent(pool, 'outside');
    await pool.query("update runs set state = 'closed' where id = $1", [run]);
    expect(await agent.claim()).toEqual([]);
    await pool.query("update runs set state = 'open', frozen = 'ahead' where id = $1", [run]);
    expect(await agent.claim()).toEqual([]);
    await pool.query('update runs set frozen = null where id = $1', [run]);
    expect(await agent.claim()).toHaveLength(1);
  });

  test('two flows with the same lock exclude each other', async () => {
    await open([
      { id: 'A', locks: ['table1'] },
      { id: 'B', locks: ['table1'] },
    ]);
    const one = await playAgent(pool, 'l1');
    const two = await playAgent(pool, 'l2');
    const claims = (await Promise.all([one.claim(), two.claim()])).flat();
    expect(claims).toHaveLength(1);
  });

  test('a paused platform or run gives no claims and consumes no retry budget', async () => {
    const run = await open([{ id: 'A' }]);
    const agent = await playAgent(pool, 'paused');
    for (const scope of ['platform:yt', `run:${run}`]) {
      await pool.query('insert into pauses (scope, from_ms, actor, reason) values ($1, clock_ms(), $2, $3)', [
        scope,
        'x',
        'y',
      ]);
      expect(await agent.claim()).toEqual([]);
      await pool.query('update pauses set to_ms = clock_ms()');
    }
    expect(await agent.claim()).toHaveLength(1);
  });

  test('C10: expedited first, then the nearest latest start, then key flows, then age', async () => {
    const run = await open([
      { id: 'Plain' },
      { id: 'Key', key: true },
      { id: 'Deadline', deadline: '+1 month, day 1, 00:00' },
      { id: 'Above', after: [] },
      { id: 'BelowAbove', after: ['Above'], deadline: '+0 month, day 1, 00:00' },
    ]);
    await pool.query("update outbox set expedite = true where run_id = $1 and flow_id = 'Plain'", [run]);
    const agent = await playAgent(pool, 'ordered', { slots: 1 });
    const order: string[] = [];
    for (let i = 0; i < 4; i++) {
      const tasks = await agent.claim(1);
      order.push(tasks[0]!.flow);
      await agent.end(tasks);
    }
    expect(order).toEqual(['Plain', 'Above', 'Deadline', 'Key']);
  });
});

describe('A3: the log is ordered', () => {
  test('numbers of concurrent writers are without gap and become visible in order', async () => {
    const run = await open(Array.from({ length: 200 }, (_, i) => ({ id: `F${i}` })));
    const agents = await Promise.all(
      ['w1', 'w2', 'w3', 'w4'].map((name) => playAgent(pool, name, { slots: 50 })),
    );
    const claims = await Promise.all(agents.map((agent) => agent.claim(50)));
    let highest = 0;
    let reading = true;
    const reader = (async () => {
      while (reading) {
        const seen = await pool.query<{ seq: number }>(
          'select seq from run_log where run_id = $1 and seq > $2 order by seq',
          [run, highest],
        );
        // Nothing with a lower number may appear later: what is read is always the direct continuation.
        seen.rows.forEach((row, i) => {
          if (row.seq !== highest + i + 1) throw new Error(`gap before ${row.seq}`);
        });
        highest += seen.rows.length;
      }
    })();
    await Promise.all(
      agents.map(async (agent, i) => {
        for (const task of claims[i]!)
          await completeAttempts(pool, [
            {
              agent: agent.name,
              results: [
                {
                  epoch: task.epoch,
                  run,
                  outcome: 'succeeded',
                  failure: null,
                  message: null,
                  exitCode: null,
                  rows: null,
                  effect: true,
                },
              ],
            },
          ]);
      }),
    );
    reading = false;
    await reader;
    const rows = await pool.query(
      'select count(*)::int as n, max(seq)::int as last from run_log where run_id = $1',
      [run],
    );
    expect(rows.rows[0]).toEqual({ n: 200, last: 200 });
  });
});

afterEach(cleanUp);

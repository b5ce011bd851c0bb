import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { setDrained } from '../../../store/agents/agent-list.ts';
import { versionReader } from '../../../store/catalogue/catalogue.ts';
import { openRun } from '../../../store/schedules/open-run.ts';
import { createPool } from '../../../store/schema/pool.ts';
import { settleRun } from '../../support/coordinator.ts';
import { createTestDatabase } from '../../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../../support/estate.ts';
import { ask, type PlayedAgent, playAgent } from '../../support/play.ts';

const database = await createTestDatabase('room');
const pool = createPool(database.url, { max: 20, name: 'test' });
afterAll(() => pool.end());

let opened = 0;
async function open(flows: Parameters<typeof catalogueText>[0], frame = {}): Promise<string> {
  await applyCatalogue(pool, catalogueText(flows, frame));
  const n = opened++;
  const run = await openTestRun(
    pool,
    `${2041 + Math.floor(n / 12)}-${String((n % 12) + 1).padStart(2, '0')}`,
  );
  await settleRun(pool, run);
  return run;
}

beforeEach(async () => {
  await pool.query(
    'delete from outbox; delete from leases; delete from locks; update pools set used = 0; delete from pauses; delete from agents',
  );
});

const FOUR = { pools: [{ id: 'four', size: 4 }] };
const small = (id: string) => ({ id, uses: [{ pool: 'four', n: 1 }] });
const smalls = (n: number) => Array.from({ length: n }, (_, i) => small(`S${String(i).padStart(2, '0')}`));
const WHOLE = { id: 'Whole', uses: [{ pool: 'four', n: 4 }] };

const expedite = async (run: string, flow: string): Promise<void> => {
  await ask(pool, run, 'expedite', [flow], { reason: 'urgent' });
  await settleRun(pool, run);
};

const names = async (agent: PlayedAgent): Promise<string[]> =>
  (await agent.claim()).map((entry) => entry.flow);

describe('C10: room is kept for an expedited or key flow that lacks nothing else', () => {
  test('an expedited flow that needs a whole pool begins when the flows that hold the pool have ended', async () => {
    const run = await open([...smalls(12), { ...WHOLE, startAt: 'open + 1 min' }], FOUR);
    const agent = await playAgent(pool, 'a');
    const first = await agent.claim();
    expect(first).toHaveLength(4);
    await ask(pool, run, 'start-now', ['Whole'], { reason: 'now' });
    await expedite(run, 'Whole');
    for (const task of first) {
      expect(await names(agent)).toEqual([]);
      await agent.start([task]);
      await agent.end([task]);
    }
    expect(await names(agent)).toEqual(['Whole']);
  });

  test('flows of other pools go on meanwhile, and a key flow counts like an expedited one', async () => {
    await open([...smalls(8), { ...WHOLE, key: true }, { id: 'Other', uses: [{ pool: 'one', n: 1 }] }], {
      pools: [...FOUR.pools, { id: 'one', size: 1 }],
    });
    await pool.query("update pools set used = 1 where name = 'four'");
    expect(await names(await playAgent(pool, 'a'))).toEqual(['Other']);
  });

  test('of two that need the same two pools the first in line begins, then the other', async () => {
    const pools = [...FOUR.pools, { id: 'two', size: 2 }];
    const uses = [
      { pool: 'four', n: 3 },
      { pool: 'two', n: 2 },
    ];
    await open(
      [
        { id: 'X', key: true, uses },
        { id: 'Y', key: true, uses: [...uses].reverse() },
      ],
      { pools },
    );
    const agent = await playAgent(pool, 'a');
    const [x] = await agent.claim();
    expect(x!.flow).toBe('X');
    await agent.start([x!]);
    await agent.end([x!]);
    expect(await names(agent)).toEqual(['Y']);
  });

  test('a slot of the only agent with its label is kept for a key flow, against flows with an earlier latest start', async () => {
    await open([...smalls(3), { id: 'X', key: true, labels: ['gpu'] }], FOUR);
    await pool.query("update outbox set latest_start_ms = 1 where flow_id <> 'X'");
    const only = await playAgent(pool, 'only', { slots: 1, labels: ['gpu'] });
    expect(await names(only)).toEqual(['X']);
  });

  test('one claim of several agents keeps room as well', async () => {
    await open([...smalls(8), { ...WHOLE, key: true }], FOUR);
    await pool.query("update pools set used = 1 where name = 'four'");
    const agents = await Promise.all(['a', 'b', 'c'].map((name) => playAgent(pool, name)));
    expect((await Promise.all(agents.map(names))).flat()).toEqual([]);
    await pool.query("update pools set used = 0 where name = 'four'");
    const taken = (await Promise.all(agents.map(names))).flat();
    expect(taken).toEqual(['Whole']);
  });
});

describe('C10: a backfill', () => {
  const flows = [{ id: 'Due', deadline: '+0 month, day 1, 06:00' }, { id: 'Plain' }, { ...WHOLE, key: true }];
  const openBackfill = async (period: string): Promise<string> => {
    const request = { cycle: 'month', period, purpose: 'backfill', procedures: null } as const;
    const { id } = await openRun({ pool, versionOf: versionReader(pool) }, request, 'test');
    await settleRun(pool, id);
    return id;
  };

  test('waits after whatever a scheduled run has waiting, though its deadlines are long over', async () => {
    await applyCatalogue(pool, catalogueText(flows, FOUR));
    const back = await openBackfill('2021-01');
    const run = await open(flows, FOUR);
    const agent = await playAgent(pool, 'a', { slots: 3 });
    expect((await agent.claim()).map((entry) => entry.run)).toEqual([run, run, run]);
    const later = await playAgent(pool, 'b', { slots: 3 });
    expect((await later.claim()).map((entry) => entry.run)).toEqual([back, back]);
  });

  test('keeps no room for its key flows unless somebody expedites them', async () => {
    await applyCatalogue(pool, catalogueText(flows, FOUR));
    const back = await openBackfill('2021-02');
    await open(smalls(4), FOUR);
    await pool.query("update pools set used = 1 where name = 'four'");
    const agent = await playAgent(pool, 'a', { slots: 2 });
    expect(await names(agent)).toEqual(['S00', 'S01']);
    await expedite(back, 'Whole');
    expect(await names(await playAgent(pool, 'b', { slots: 1 }))).not.toContain('S02');
  });
});

describe('C10: room is kept for nobody who lacks more than room', () => {
  const standing = async (): Promise<{ run: string; agent: PlayedAgent }> => {
    const run = await open([...smalls(8), { ...WHOLE, key: true }], FOUR);
    await pool.query("update pools set used = 1 where name = 'four'");
    const agent = await playAgent(pool, 'a');
    expect(await names(agent)).toEqual([]);
    return { run, agent };
  };

  test('held', async () => {
    const { run, agent } = await standing();
    await ask(pool, run, 'hold', ['Whole'], { reason: 'not now' });
    await settleRun(pool, run);
    expect(await names(agent)).toHaveLength(3);
  });

  test('passed by force', async () => {
    const { run, agent } = await standing();
    await ask(pool, run, 'force-pass', ['Whole'], { reason: 'by hand', evidence: 'T1' }, ['key']);
    await settleRun(pool, run);
    expect(await names(agent)).toHaveLength(3);
  });

  test('paused: its run', async () => {
    const { agent } = await standing();
    const other = await open(smalls(8), FOUR);
    const run = (await pool.query("select run_id from outbox where flow_id = 'Whole'")).rows[0].run_id;
    await pool.query(
      "insert into pauses (scope, from_ms, actor, reason) values ($1, clock_ms(), 'me', 'no')",
      [`run:${run}`],
    );
    const taken = await agent.claim();
    expect(taken.map((entry) => entry.run)).toEqual([other, other, other]);
  });

  test('its pool is smaller than what it asks for', async () => {
    const { agent } = await standing();
    await pool.query("update pools set size = 3 where name = 'four'");
    expect(await names(agent)).toHaveLength(2);
  });

  test('its agents are drained, fail over to one that is alive, or are silent', async () => {
    const flows = [...smalls(8), { ...WHOLE, key: true, labels: ['gpu'] }];
    await open(flows, FOUR);
    await pool.query("update pools set used = 1 where name = 'four'");
    const [plain] = await Promise.all([playAgent(pool, 'plain'), playAgent(pool, 'g', { labels: ['gpu'] })]);
    expect(await names(plain!)).toEqual([]);
    await setDrained(pool, 'g', true, 'plain');
    expect(await names(plain!)).toEqual([]);
    await setDrained(pool, 'g', true);
    expect(await names(plain!)).toHaveLength(3);
    await pool.query(
      "delete from leases; update outbox set claimed_epoch = null; update pools set used = 1 where name = 'four'",
    );
    await setDrained(pool, 'g', false);
    expect(await names(plain!)).toEqual([]);
    await pool.query("update agents set seen_ms = 0 where name = 'g'");
    expect(await names(plain!)).toHaveLength(3);
  });
});

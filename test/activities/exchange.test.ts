import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { exchange } from '../../activities/exchange.ts';
import { decide } from '../../graph/decide.ts';
import { apply } from '../../graph/run/apply.ts';
import type { Group } from '../../graph/run/decisions.ts';
import { restoreState } from '../../graph/run/restore.ts';
import type { RunState } from '../../graph/run/state.ts';
import { versionReader } from '../../store/catalogue/catalogue.ts';
import { contextReader, type RunContext } from '../../store/record/run-context.ts';
import { loadRun } from '../../store/record/run-state.ts';
import { createPool } from '../../store/schema/pool.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../support/estate.ts';
import { ask, outcomeOf, playAgent, stateIn } from '../support/play.ts';

const database = await createTestDatabase('exchange');
const pool = createPool(database.url, { max: 8, name: 'test' });
afterAll(() => pool.end());

const contextOf = contextReader(pool, versionReader(pool));
const agent = await playAgent(pool, 'a1');

/** A coordinator whose steps are taken one by one. */
class Coordinator {
  readonly context: RunContext;
  readonly state: RunState;
  groups: Group[];
  more = false;

  constructor(context: RunContext, state: RunState) {
    this.context = context;
    this.state = state;
    this.groups = decide(context.graph, state, [], state.now);
  }

  static async load(run: string): Promise<Coordinator> {
    const context = await contextOf(run);
    const { stored } = await loadRun(pool, context, 0);
    return new Coordinator(context, restoreState(context.graph, stored));
  }

  /** What the local activity does with the decisions of this moment. */
  send() {
    return exchange(pool, this.context, {
      run: this.context.run.id,
      n: this.state.exchange + 1,
      groups: this.groups,
      graph: this.context.graph.version,
    });
  }

  take(answer: Awaited<ReturnType<typeof exchange>>): void {
    if ('refused' in answer) throw new Error(answer.refused);
    apply(this.context.graph, this.state, this.groups, answer);
    this.groups = decide(this.context.graph, this.state, answer.entries, this.state.now);
    this.more = answer.more;
  }

  async step(): Promise<void> {
    this.take(await this.send());
  }

  async idle(): Promise<void> {
    do await this.step();
    while (this.groups.length > 0 || this.more);
  }
}

let period = 0;
let run: string;
const nextPeriod = (): string =>
  `20${String(30 + Math.floor(period / 12)).padStart(2, '0')}-${String((period++ % 12) + 1).padStart(2, '0')}`;

beforeEach(async () => {
  await applyCatalogue(pool, catalogueText([{ id: 'A' }, { id: 'B', after: ['A'] }, { id: 'C' }]));
  run = await openTestRun(pool, nextPeriod());
});

afterEach(() => pool.query('delete from outbox; delete from leases'));

/** Every table of the database with its rows, as one text. A row that was written again has another `xmin`. */
async function allRows(): Promise<Map<string, string>> {
  const tables = await pool.query<{ name: string }>(
    `select relname as name from pg_class where relkind = 'r' and relnamespace = current_schema()::regnamespace order by relname`,
  );
  const found = new Map<string, string>();
  for (const { name } of tables.rows) {
    const rows = await pool.query<{ rows: string }>(
      `select coalesce(json_agg(x order by x), '[]')::text as rows from (select t.xmin::text || ' ' || t::text as x from ${name} t) t`,
    );
    found.set(name, rows.rows[0]!.rows);
  }
  return found;
}

describe('A5: exchanges are numbered', () => {
  test('the same exchange sent again returns what was stored and changes no row of any table', async () => {
    const coordinator = await Coordinator.load(run);
    await ask(pool, run, 'hold', ['A']);
    await coordinator.step();
    const before = await allRows();
    const first = await coordinator.send();
    const written = await allRows();
    const changed = [...written.keys()].filter((table) => written.get(table) !== before.get(table));
    expect(changed).toEqual(
      expect.arrayContaining(['audit', 'exchanges', 'operations', 'overrides', 'run_counters', 'run_flows']),
    );
    const second = await coordinator.send();
    expect(second).toEqual(first);
    expect(await allRows()).toEqual(written);
  });

  test('a frozen worker that commits late is adopted by the other one, whose own decisions come again', async () => {
    // Two coordinators of one run: the frozen worker's and the one that took over.
    const frozen = await Coordinator.load(run);
    await frozen.idle();
    const other = await Coordinator.load(run);
    const hold = await ask(pool, run, 'hold', ['A']);
    // The frozen one reads the hold and decides; its exchange is written, its answer is lost.
    await frozen.step();
    expect(frozen.groups).toHaveLength(1);
    await frozen.send();
    // Meanwhile a second operation has come; the other one knows nothing of the frozen one's exchanges.
    const release = await ask(pool, run, 'unhold', ['A']);
    await other.idle();
    expect(other.state.exchange).toBeGreaterThan(frozen.state.exchange);
    expect(await outcomeOf(pool, hold)).toEqual({ state: 'applied', code: null });
    expect(await outcomeOf(pool, release)).toEqual({ state: 'applied', code: null });
    // Woken, the frozen one repeats its exchange, adopts its own, then the other's, and arrives at the same state.
    await frozen.idle();
    expect(frozen.state.exchange).toBe(other.state.exchange);
    expect(frozen.state.flags).toEqual(other.state.flags);
    const reloaded = await Coordinator.load(run);
    expect(reloaded.state.flags).toEqual(frozen.state.flags);
    expect(reloaded.state.cursor).toBe(frozen.state.cursor);
    const audit = await pool.query('select verb from audit where run_id = $1 order by id', [run]);
    expect(audit.rows.map((row) => row.verb)).toEqual(['hold', 'unhold']);
  });

  test('a claim that came first cuts the list: the hold is refused, not half done', async () => {
    const coordinator = await Coordinator.load(run);
    await coordinator.idle();
    const hold = await ask(pool, run, 'hold', ['A', 'C']);
    await coordinator.step();
    // Decided on an unclaimed flow; now an agent is faster than the exchange.
    const tasks = await agent.claim();
    expect(tasks.map((task) => task.flow).sort()).toEqual(['A', 'C']);
    await agent.start(tasks);
    const answer = await coordinator.send();
    expect(answer).toMatchObject({ written: 0 });
    coordinator.take(answer);
    await coordinator.idle();
    expect(await outcomeOf(pool, hold)).toEqual({ state: 'refused', code: 'wrong_state' });
    expect(await agent.end(tasks)).toHaveLength(2);
    await coordinator.idle();
    expect(await stateIn(pool, run, 'A')).toMatchObject({ result: 'succeeded' });
    await agent.end(await agent.claim());
    await coordinator.idle();
    expect(await stateIn(pool, run, 'B')).toMatchObject({ result: 'succeeded' });
  });

  test('what is written before the cut stays: the operation before it is applied and its entry is not read again', async () => {
    const coordinator = await Coordinator.load(run);
    await coordinator.idle();
    const holdOfB = await ask(pool, run, 'hold', ['B']);
    const holdOfA = await ask(pool, run, 'hold', ['A']);
    await coordinator.step();
    const tasks = await agent.claim();
    const answer = await coordinator.send();
    expect(answer).toMatchObject({ written: 1, cursor: 1 });
    coordinator.take(answer);
    await coordinator.idle();
    expect(await outcomeOf(pool, holdOfB)).toEqual({ state: 'applied', code: null });
    expect(await outcomeOf(pool, holdOfA)).toEqual({ state: 'refused', code: 'wrong_state' });
    expect(coordinator.state.cursor).toBe(2);
    await agent.end(tasks);
    await coordinator.idle();
  });

  test('a hold that finds the attempt ended but unread is refused: what came first in the log counts (A3)', async () => {
    const coordinator = await Coordinator.load(run);
    await coordinator.idle();
    const tasks = await agent.claim();
    await agent.start(tasks);
    const hold = await ask(pool, run, 'hold', ['A']);
    await agent.end(tasks);
    await coordinator.idle();
    expect(await outcomeOf(pool, hold)).toEqual({ state: 'refused', code: 'wrong_state' });
    expect(await stateIn(pool, run, 'A')).toMatchObject({ result: 'succeeded' });
    await agent.end(await agent.claim());
    await coordinator.idle();
  });

  test('a coordinator ahead of the record is refused (A9)', async () => {
    const coordinator = await Coordinator.load(run);
    await coordinator.idle();
    coordinator.state.exchange += 5;
    expect(await coordinator.send()).toEqual({ refused: 'ahead' });
  });

  test('an exchange that was pruned is refused: reload', async () => {
    const coordinator = await Coordinator.load(run);
    await coordinator.idle();
    const behind = await Coordinator.load(run);
    behind.state.exchange -= 1;
    await pool.query('delete from exchanges where run_id = $1', [run]);
    expect(await behind.send()).toEqual({ refused: 'pruned' });
  });
});

describe('A9: the record alone gives the state', () => {
  test('after verbs, claims and results a reloaded state equals the one that lived through them', async () => {
    const coordinator = await Coordinator.load(run);
    await coordinator.idle();
    const [a] = (await agent.claim()).filter((task) => task.flow === 'A');
    await agent.end([a!], { outcome: 'failed', failure: 'program', message: 'no' });
    await ask(pool, run, 'waive', [], { edges: [{ from: 'A', to: 'B' }] });
    await coordinator.idle();
    await agent.end(await agent.claim());
    await ask(pool, run, 'force-pass', ['A']);
    await coordinator.idle();
    const { state: reloaded } = await Coordinator.load(run);
    for (const field of [
      'generation',
      'attempt',
      'result',
      'flags',
      'due',
      'used',
      'waived',
      'unmet',
      'above',
      'released',
    ] as const)
      expect(reloaded[field], field).toEqual(coordinator.state[field]);
    expect(reloaded.cursor).toBe(coordinator.state.cursor);
    expect(reloaded.exchange).toBe(coordinator.state.exchange);
    expect(await stateIn(pool, run, 'A')).toMatchObject({ result: 'force_passed' });
    const open = await agent.claim();
    await agent.end(open);
    await coordinator.idle();
  });
});

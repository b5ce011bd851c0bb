/** Where scenes are played for the corpus: the real coordinator, one run at a time, an agent by hand. */
import type pg from 'pg';
import { expect } from 'vitest';
import { memberOf, planMembers } from '../../graph/verbs/rerun.ts';
import type { Claimed } from '../../store/agents/claims.ts';
import { endLeases } from '../../store/agents/lease-end.ts';
import { versionReader } from '../../store/catalogue/catalogue.ts';
import { contextReader } from '../../store/record/run-context.ts';
import { readState } from '../../store/record/run-state.ts';
import { type Coordinated, type Meddling, startCoordinated } from '../support/coordinated.ts';
import type { TestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun, type ShortFlow } from '../support/estate.ts';
import { ask, outcomeOf, type PlayedAgent } from '../support/play.ts';
import { type Recorded, scrubbed } from './corpus.ts';

/** A chain, and one flow of each kind that a verb wants. */
export const FLOWS: readonly ShortFlow[] = [
  { id: 'A' },
  { id: 'B', after: ['A'] },
  { id: 'C', after: ['B'] },
  { id: 'G', kind: 'gate', after: ['A'], person: { role: 'keeper' } },
  { id: 'M', trigger: 'manual' },
];

let opened = 0;

export class Stage {
  readonly pool: pg.Pool;
  readonly agent: PlayedAgent;
  readonly recorded: Recorded[] = [];
  readonly coordinated: Coordinated;
  readonly #build: string;
  /** Claimed, not started yet. */
  readonly #taken: Claimed[] = [];
  run = '';

  private constructor(pool: pg.Pool, agent: PlayedAgent, coordinated: Coordinated, build: string) {
    this.pool = pool;
    this.agent = agent;
    this.coordinated = coordinated;
    this.#build = build;
  }

  static async build(
    given: { database: TestDatabase; pool: pg.Pool; agent: PlayedAgent; build: string },
    meddling: Meddling = {},
  ): Promise<Stage> {
    await given.pool.query('delete from outbox; delete from leases');
    const coordinated = await startCoordinated(given.database, given.pool, meddling);
    return new Stage(given.pool, given.agent, coordinated, given.build);
  }

  async open(flows: readonly ShortFlow[] = FLOWS, frame = {}): Promise<string> {
    await applyCatalogue(this.pool, catalogueText(flows, frame));
    // Each second month: the one after it is for the scene.
    const period = `${2090 + Math.floor(opened / 6)}-${String((opened++ % 6) * 2 + 1).padStart(2, '0')}`;
    return this.openAt(period);
  }

  async openAt(period: string): Promise<string> {
    this.run = await openTestRun(this.pool, period);
    await this.settled();
    return this.run;
  }

  /** Everything in the log of the run is decided. */
  async settled(run = this.run): Promise<void> {
    await expect
      .poll(
        async () => {
          const found = await this.pool.query(
            'select exchange > 0 and cursor = log_seq as settled from run_counters where run_id = $1',
            [run],
          );
          return found.rows[0].settled;
        },
        { interval: 10 },
      )
      .toBe(true);
  }

  /** Has the verb applied; throws when it was refused. */
  async ask(verb: string, flows: string, request = {}, roles: readonly string[] = []): Promise<void> {
    const names = flows === '' ? [] : flows.split(' ');
    const operation = await ask(this.pool, this.run, verb, names, request, roles);
    await this.settled();
    const outcome = await outcomeOf(this.pool, operation);
    if (outcome.state !== 'applied') throw new Error(`${verb} ${flows}: ${JSON.stringify(outcome)}`);
  }

  /** Takes one flow and starts it. */
  async start(flow: string): Promise<Claimed[]> {
    for (const until = performance.now() + 10_000; performance.now() < until; ) {
      this.#taken.push(...(await this.agent.claim()));
      const at = this.#taken.findIndex((task) => task.flow === flow);
      if (at >= 0) {
        const tasks = this.#taken.splice(at, 1);
        await this.agent.start(tasks);
        return tasks;
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`${flow} was not offered`);
  }

  async end(tasks: readonly Claimed[], how: Parameters<PlayedAgent['end']>[1] = {}): Promise<void> {
    await this.agent.end(tasks, how);
    await this.settled();
  }

  /** One flow after the other, each to its success. */
  async work(flows: string): Promise<void> {
    for (const flow of flows.split(' ')) await this.end(await this.start(flow));
  }

  async lose(tasks: readonly Claimed[]): Promise<void> {
    await endLeases(
      this.pool,
      tasks.map((task) => task.epoch),
      null,
    );
    await this.settled();
  }

  async rerun(root: string): Promise<void> {
    const context = await contextReader(this.pool, versionReader(this.pool))(this.run);
    const state = await readState(this.pool, context, 0);
    const { graph } = context;
    const members = planMembers(graph, state, [context.index.get(root)!], 'downstream');
    const plan = {
      id: 'plan',
      graphVersion: graph.version,
      roots: [root],
      running: 'supersede',
      keepWaives: false,
      members: members.map((v) => memberOf(graph, state, v)),
    };
    await this.ask('rerun', '', { plan });
  }

  /** Keeps the history of a workflow, with the executions that it continues; the newest one's status afterwards. */
  async record(workflowId = this.coordinated.workflowId(this.run), as = this.run): Promise<void> {
    const { client } = this.coordinated;
    // What a task has done is in the history once it has ended.
    const isAtWork = async (): Promise<boolean> =>
      (await client.workflow.getHandle(workflowId).describe()).raw.pendingWorkflowTask != null;
    await expect.poll(isAtWork).toBe(false);
    const chain: Recorded[] = [];
    for (let runId: string | undefined; ; ) {
      const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
      chain.unshift(scrubbed(as, history, this.#build));
      runId = history.events![0]!.workflowExecutionStartedEventAttributes?.continuedExecutionRunId ?? '';
      if (runId === '') break;
    }
    this.recorded.push(...chain);
  }
}

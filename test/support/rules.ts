/** Rules over a test database: persons who may decide, an agent played by hand, and looks that come when the test wants them. */
import { expect } from 'vitest';
import { RuleEngine } from '../../services/rules/rule-engine.ts';
import type { AttemptEnd } from '../../store/agents/attempts.ts';
import { type Caller, type Json, startTestApi, type TestApi } from './api.ts';
import { playAgent } from './play.ts';

export interface TestRules {
  readonly api: TestApi;
  /** An operator, and one with the role `key`. */
  readonly ann: Caller;
  readonly kim: Caller;
  readonly engine: RuleEngine;
  /** What the engine has warned of. */
  readonly warned: readonly object[];
  look(): Promise<void>;
  /** Ends what there is to do, until nothing more is claimed. `failing`: flows that fail. */
  work(failing?: readonly string[]): Promise<void>;
  /** Flows that have another generation than before, after the runs have done what there was to do. */
  redoneBy(what: () => Promise<unknown>, failing?: readonly string[]): Promise<string[]>;
  /** Acts of a rule, the newest first. */
  acts(rule: string): Promise<Json[]>;
  enable(rule: string): Promise<void>;
  /** Reports a correction; answers its id. */
  correct(table: string, period: string): Promise<string>;
}

const FAILURE: Partial<AttemptEnd> = {
  outcome: 'failed',
  failure: 'program',
  message: 'no rows',
  effect: false,
};

/** Call at the top of a test file. `runs`: those that the test opens. */
export async function startTestRules(database: { url: string }, runs: readonly string[]): Promise<TestRules> {
  const api = await startTestApi(database);
  const ann = await api.actor({ name: 'ann', kind: 'person', roles: ['operator'] });
  const kim = await api.actor({ name: 'kim', kind: 'person', roles: ['operator', 'key'] });
  const agent = await playAgent(api.pool, 'a1', { slots: 3_000 });
  const warned: object[] = [];
  const engine = new RuleEngine(api.deps, (facts) => warned.push(facts));
  const work = async (failing: readonly string[] = []): Promise<void> => {
    for (;;) {
      for (let i = 0; i < 3; i++) for (const run of runs) await api.coordinator!.settled(run);
      const tasks = await agent.claim();
      if (tasks.length === 0) return;
      await agent.start(tasks);
      const fail = tasks.filter(({ flow }) => failing.includes(flow));
      if (fail.length > 0) await agent.end(fail, FAILURE);
      await agent.end(tasks.filter((task) => !fail.includes(task)));
    }
  };
  let reported = 0;
  const generations = async (): Promise<Map<string, number>> => {
    const found = await api.pool.query<{ flow: string; generation: number }>(
      'select flow_id as flow, generation from run_flows order by flow_id',
    );
    return new Map(found.rows.map(({ flow, generation }) => [flow, generation]));
  };
  return {
    api,
    ann,
    kim,
    engine,
    warned,
    work,
    look: async () => engine.look((await engine.keepLease())!),
    async redoneBy(what, failing) {
      const before = await generations();
      await what();
      await work(failing);
      const after = await generations();
      return [...after.keys()].filter((flow) => after.get(flow) !== before.get(flow));
    },
    acts: async (rule) => (await ann.get(`/rule-acts?rule=${rule}`)).body.items,
    async correct(table, period) {
      const headers = { 'idempotency-key': `k${reported++}` };
      const answer = await ann.post('/corrections', { table, period, reason: 'late file' }, headers);
      expect(answer.status).toBe(200);
      return answer.body.id;
    },
    async enable(rule) {
      expect(await kim.post(`/rules/${rule}/enable`, { reason: 'agreed' })).toMatchObject({ status: 200 });
    },
  };
}

/** An installation in short: a record, a coordinator without Temporal, and an agent with the real SQL platform; driven by hand. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { expect } from 'vitest';
import { Task } from '../../contract/agent.ts';
import { memberOf, planMembers } from '../../graph/verbs/rerun.ts';
import { createSqlPlatform } from '../../platforms/sql/sql.ts';
import { endOf } from '../../services/agents/attempt-end.ts';
import { taskOf } from '../../services/agents/tasks.ts';
import { registerAgent } from '../../store/agents/agents.ts';
import { completeAttempts, startAttempts } from '../../store/agents/attempts.ts';
import { type Claimed, claimTasks } from '../../store/agents/claims.ts';
import { endLeases } from '../../store/agents/lease-end.ts';
import { versionReader } from '../../store/catalogue/catalogue.ts';
import { readRecordId } from '../../store/record/epochs.ts';
import { contextReader } from '../../store/record/run-context.ts';
import { readState } from '../../store/record/run-state.ts';
import { createPool } from '../../store/schema/pool.ts';
import { settleRun } from './coordinator.ts';
import { openTestRun } from './estate.ts';
import { ask, outcomeOf } from './play.ts';

const LEASE_MS = 60_000;

/** What an attempt of the agent came to. */
export interface Worked {
  readonly task: Task;
  readonly ending: Awaited<ReturnType<ReturnType<typeof createSqlPlatform>['execute']>>;
  /** Its report arrived, and the record took it. */
  readonly accepted: boolean;
}

export async function startInstallation(recordUrl: string, warehouseUrl: string) {
  const pool = createPool(recordUrl, { max: 4, name: 'test' });
  const contextOf = contextReader(pool, versionReader(pool));
  const platform = createSqlPlatform({ connections: { yt: warehouseUrl }, defaultConnection: 'yt' });
  const me = { agent: 'a1', instance: randomUUID(), platform: 'yt', labels: [] };
  const runs = new Set<string>();
  await registerAgent(
    pool,
    { ...me, lockToken: 'the-same-lock-file', slots: 50, version: 'test', protocol: 2, held: [] },
    LEASE_MS,
  );

  async function settle(): Promise<void> {
    for (const run of runs) await settleRun(pool, run, contextOf);
  }

  async function carryOut(claimed: Claimed, loses: boolean): Promise<Worked> {
    // As the agent gets it: through the contract of its calls.
    const task = Task.parse(taskOf(await contextOf(claimed.run), claimed, await readRecordId(pool)));
    const ending = await platform.execute(task, { signal: new AbortController().signal, log: () => {} });
    if (loses) {
      await endLeases(pool, [claimed.epoch], null);
      return { task, ending, accepted: false };
    }
    const end = endOf({ ...task.lease, ending });
    const [answer] = await completeAttempts(pool, [{ agent: me.agent, results: [end] }]);
    return { task, ending, accepted: answer!.accepted.includes(claimed.epoch) };
  }

  return {
    pool,
    contextOf,
    settle,
    async open(period: string): Promise<string> {
      const run = `month-${period}`;
      if (!runs.has(run)) {
        const known = await pool.query('select 1 from runs where id = $1', [run]);
        if (known.rowCount === 0) await openTestRun(pool, period);
        runs.add(run);
      }
      await settle();
      return run;
    },
    /** One claim, everything of it carried out at once. `loses`: effects are committed, and the agent is never heard of again. */
    async work(loses = false): Promise<Worked[]> {
      const [tasks] = await claimTasks(pool, [{ ...me, free: 50 }], LEASE_MS);
      await startAttempts(pool, [{ ...me, epochs: tasks!.map((task) => task.epoch) }]);
      const done = await Promise.all(tasks!.map((claimed) => carryOut(claimed, loses)));
      await settle();
      return done;
    },
    async rerun(run: string, flow: string): Promise<boolean> {
      const { graph, index } = await contextOf(run);
      const state = await readState(pool, await contextOf(run), 0);
      const members = planMembers(graph, state, [index.get(flow)!], 'only');
      const plan = {
        id: randomUUID(),
        graphVersion: graph.version,
        roots: [flow],
        running: 'supersede',
        keepWaives: true,
        members: members.map((v) => memberOf(graph, state, v)),
      };
      const operation = await ask(pool, run, 'rerun', [], { plan });
      await settle();
      return (await outcomeOf(pool, operation)).state === 'applied';
    },
    close: () => pool.end(),
  };
}

export type Installation = Awaited<ReturnType<typeof startInstallation>>;

/** A copy of a database that nobody is connected to, as a backup or its restoring makes one. */
export async function copyDatabase(url: string, copy: string): Promise<string> {
  const server = new URL(url);
  const original = server.pathname.slice(1);
  server.pathname = '/postgres';
  const client = new pg.Client({ connectionString: server.href });
  await client.connect();
  try {
    await client.query(`drop database if exists ${pg.escapeIdentifier(copy)} with (force)`);
    await client.query(
      `create database ${pg.escapeIdentifier(copy)} template ${pg.escapeIdentifier(original)}`,
    );
  } finally {
    await client.end();
  }
  const made = new URL(url);
  made.pathname = `/${copy}`;
  expect(made.href).not.toBe(url);
  return made.href;
}

import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import pg from 'pg';
import { expect, test, vi } from 'vitest';
import { estate } from '../../../bench/estate/catalogue.ts';
import { checkCatalogue } from '../../../graph/catalogue/check.ts';
import type { SourceFile } from '../../../graph/catalogue/parse.ts';
import { saveVersion } from '../../../store/catalogue/catalogue.ts';
import { openRun } from '../../../store/schedules/open-run.ts';
import { inTransaction } from '../../../store/schema/pool.ts';
import { startTestApi } from '../../support/api.ts';
import { settleRun } from '../../support/coordinator.ts';
import { createTestDatabase } from '../../support/database.ts';
import { denseCatalogue } from '../../support/dense-catalogue.ts';

const database = await createTestDatabase('answers_large');
const api = await startTestApi(database, { coordinator: false });
const reader = await api.actor({ name: 'li', kind: 'person', roles: ['viewer'] });

/** A day run of the whole catalogue, its first exchange written. */
async function openDay(files: readonly SourceFile[], period: string): Promise<string> {
  const checked = checkCatalogue(files, 'apply');
  if (!checked.ok) throw new Error('the estate has problems');
  const { flows: _, distributions: __, ...frame } = checked.catalogue;
  const hash = createHash('sha256').update(JSON.stringify(files)).digest('hex');
  const version = {
    ...({ hash, mode: 'apply', actor: 'test' } as const),
    files,
    frame,
    flows: [...checked.flows],
  };
  await inTransaction(api.pool, (client) => saveVersion(client, version), { guarded: false });
  const request = { cycle: 'day', period, purpose: 'scheduled', procedures: null } as const;
  const run = await openRun(api.pool, api.deps.versionOf, request, 'test');
  await settleRun(api.pool, run.id, api.deps.contextOf);
  return run.id;
}

/** As if agents had done everything but one flow in 500, and what waits for those. */
async function pretend(run: string): Promise<void> {
  await api.pool.query(
    `insert into attempts (epoch, run_id, flow_id, generation, attempt, agent, sent_ms, started_ms, ended_ms, outcome)
     select clock_us() + n, run_id, flow_id, 1, 1, 'a1', generation_ms + n, generation_ms + n, generation_ms + n + 1, 'succeeded'
     from (select f.*, row_number() over (order by flow_id) as n from run_flows f where run_id = $1) x where n <= 6500`,
    [run],
  );
  await api.pool.query(
    `update run_flows f set result = case when x.n % 500 = 0 then 'failed' else 'succeeded' end, released_ms = generation_ms + x.n,
       result_ms = generation_ms + x.n + 1, flags = flags & ~32768
     from (select flow_id, row_number() over (order by flow_id) as n from run_flows where run_id = $1) x
     where f.run_id = $1 and f.flow_id = x.flow_id and x.n <= 6500`,
    [run],
  );
  await api.pool.query('delete from outbox where run_id = $1', [run]);
  await api.pool.query('update run_counters set exchange = exchange + 1 where run_id = $1', [run]);
}

/** Writes an exchange with this number of flows, as the coordinator would: what was kept for the answer before is out of date. */
async function exchangeOf(run: string, flows: number): Promise<void> {
  const changes = Array.from({ length: flows }, (_, i) => ({ v: 7_000 + i, generation: 1, attempt: 1 }));
  await api.pool.query(
    `with counter as (update run_counters set exchange = exchange + 1 where run_id = $1 returning exchange)
     insert into exchanges (run_id, n, decisions_hash, decisions, seq_from, seq_to, answer, at_ms)
     select $1, exchange, '', $2, 0, 0, '{}', clock_ms() from counter`,
    [run, JSON.stringify([{ seq: 0, changes, effects: [] }])],
  );
}

const percentile = (list: readonly number[], p: number): number =>
  list.toSorted((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * p))]!;
const median = (list: readonly number[]): number => percentile(list, 0.5);
const shown = ({ ms, cpuMs }: Pick<Costs, 'ms' | 'cpuMs'>): string =>
  `p50 ${median(ms).toFixed(1)} p99 ${percentile(ms, 0.99).toFixed(1)} ms, processor p50 ${median(cpuMs).toFixed(1)} ms`;

interface Costs {
  /** Processor time of this process, ms; no other question is asked meanwhile. */
  readonly cpuMs: number[];
  readonly ms: number[];
  /** Those of the question itself: what the API does on its own account meanwhile does not count. */
  readonly statements: number[];
}

const asking = new AsyncLocalStorage<true>();

async function costsOf(
  paths: readonly string[],
  before: () => Promise<void> = async () => {},
): Promise<Costs> {
  let statements = 0;
  const query = pg.Client.prototype.query as (...given: unknown[]) => unknown;
  const spy = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (
    this: unknown,
    ...given: unknown[]
  ) {
    if (asking.getStore() === true) statements++;
    return query.apply(this, given);
  } as never);
  const costs: Costs = { cpuMs: [], ms: [], statements: [] };
  for (const path of paths) {
    await before();
    statements = 0;
    const [cpu, since] = [process.cpuUsage(), performance.now()];
    const { status } = await asking.run(true, () => reader.get(path));
    costs.ms.push(performance.now() - since);
    const { user, system } = process.cpuUsage(cpu);
    costs.cpuMs.push((user + system) / 1_000);
    costs.statements.push(statements);
    expect(status).toBe(200);
  }
  spy.mockRestore();
  return costs;
}

test('answers through the API on an estate of 13,000 flows, half of them done', {
  timeout: 120_000,
}, async () => {
  const run = await openDay(denseCatalogue(), '2026-11-20');
  await pretend(run);
  const { graph } = await api.deps.contextOf(run);
  const some = Array.from({ length: 65 }, (_, i) => graph.ids[(i * 197) % graph.n]!);
  const why = some.map((flow) => `/runs/${run}/flows/${flow}/why`);
  await costsOf(why.slice(0, 5));
  const quiet = await costsOf(why);
  const moving = await costsOf(why, () => exchangeOf(run, 50));
  const all = await costsOf(Array(15).fill(`/runs/${run}/why`));
  const path = await costsOf(Array(15).fill(`/runs/${run}/critical-path`));
  console.log(
    `why ${shown(quiet)}; in a moving run ${shown(moving)}; all flows ${shown(all)}; critical path ${shown(path)}`,
  );
  // The goals of 50 and 200 ms by the clock are what `bench --answers` measures: here others may want the same processor.
  expect(median(quiet.cpuMs)).toBeLessThan(50);
  expect(median(all.cpuMs)).toBeLessThan(200);
});

test('why of flows that wait for hours, days and months that were not opened takes no more statements than that of others', {
  timeout: 480_000,
}, async () => {
  const run = await openDay(estate(13_000, 42, { noop: true }), '2026-12-21');
  const { graph, subscriptions } = await api.deps.contextOf(run);
  const waiting = [...new Set(subscriptions.list.map(({ v }) => graph.ids[v]!))];
  expect(new Set(subscriptions.list.map((item) => item.run)).size).toBeGreaterThan(24);
  const some = Array.from({ length: 40 }, (_, i) => waiting[(i * 37) % waiting.length]!);
  // The last flows of the graph have the most above them: dozens of final causes in other runs.
  const paths = [...some, ...graph.ids.slice(-20)].map((flow) => `/runs/${run}/flows/${flow}/why`);
  await costsOf(paths.slice(-5));
  const { cpuMs, ms, statements } = await costsOf(paths);
  console.log(
    `${waiting.length} flows wait for other runs: ${shown({ cpuMs, ms })}, most statements ${Math.max(...statements)}`,
  );
  expect(Math.min(...statements)).toBeGreaterThan(0);
  expect(Math.max(...statements)).toBeLessThanOrEqual(STATEMENTS);
  expect(median(cpuMs)).toBeLessThan(50);
});

/** Begin and end, what an answer reads of a run, who asks, and for each of three cycles what could have opened its runs. */
const STATEMENTS = 24;

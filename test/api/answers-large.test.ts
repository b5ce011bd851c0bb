import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { checkCatalogue } from '../../graph/check.ts';
import { saveVersion } from '../../store/catalogue.ts';
import { openRun } from '../../store/open-run.ts';
import { inTransaction } from '../../store/pool.ts';
import { startTestApi } from '../support/api.ts';
import { settleRun } from '../support/coordinator.ts';
import { createTestDatabase } from '../support/database.ts';
import { denseCatalogue } from '../support/dense-catalogue.ts';

const database = await createTestDatabase('answers_large');
const api = await startTestApi(database, { coordinator: false });
const reader = await api.actor({ name: 'li', kind: 'person', roles: ['viewer'] });

/** A run of the whole estate: the first layers done, a few flows failed, the rest waits. */
async function openEstate(): Promise<string> {
  const files = denseCatalogue();
  const checked = checkCatalogue(files, 'apply');
  if (!checked.ok) throw new Error('the estate has problems');
  const { flows: _, distributions: __, ...frame } = checked.catalogue;
  const hash = createHash('sha256').update(JSON.stringify(files)).digest('hex');
  const version = { hash, mode: 'apply', actor: 'test', files, frame, flows: [...checked.flows] } as const;
  await inTransaction(api.pool, (client) => saveVersion(client, version), { guarded: false });
  const request = { cycle: 'day', period: '2026-11-20', purpose: 'scheduled', procedures: null } as const;
  const run = await openRun(api.pool, api.deps.versionOf, request, 'test');
  await settleRun(api.pool, run.id, api.deps.contextOf);
  return run.id;
}

/** As if agents had done everything but one flow in 500, and what waits for those. */
async function pretend(run: string): Promise<void> {
  await api.pool.query(
    `insert into attempts (epoch, run_id, flow_id, generation, attempt, agent, sent_ms, started_ms, ended_ms, outcome)
     select nextval('epochs'), run_id, flow_id, 1, 1, 'a1', generation_ms + n, generation_ms + n, generation_ms + n + 1, 'succeeded'
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

/** As if the coordinator had written so many flows: what was kept for the answer before is out of date. */
async function exchangeOf(run: string, flows: number): Promise<void> {
  const changes = Array.from({ length: flows }, (_, i) => ({ v: 7_000 + i, generation: 1, attempt: 1 }));
  await api.pool.query(
    `with counter as (update run_counters set exchange = exchange + 1 where run_id = $1 returning exchange)
     insert into exchanges (run_id, n, decisions_hash, decisions, seq_from, seq_to, answer, at_ms)
     select $1, exchange, '', $2, 0, 0, '{}', clock_ms() from counter`,
    [run, JSON.stringify([{ seq: 0, changes, effects: [] }])],
  );
}

const percentile = (sorted: readonly number[], p: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))]!;

test('answers through the API on an estate of 13,000 flows, half of them done', {
  timeout: 120_000,
}, async () => {
  const run = await openEstate();
  await pretend(run);
  const measure = async (paths: readonly string[], moving: boolean): Promise<number[]> => {
    const times: number[] = [];
    for (const path of paths) {
      if (moving) await exchangeOf(run, 50);
      const started = performance.now();
      const { status } = await reader.get(path);
      times.push(performance.now() - started);
      expect(status).toBe(200);
    }
    return times.slice(5).sort((a, b) => a - b);
  };
  const { graph } = await api.deps.contextOf(run);
  const some = Array.from({ length: 65 }, (_, i) => graph.ids[(i * 197) % graph.n]!);
  const quiet = await measure(
    some.map((flow) => `/runs/${run}/flows/${flow}/why`),
    false,
  );
  const moving = await measure(
    some.map((flow) => `/runs/${run}/flows/${flow}/why`),
    true,
  );
  const all = await measure(Array(15).fill(`/runs/${run}/why`), false);
  const path = await measure(Array(15).fill(`/runs/${run}/critical-path`), false);
  const show = (times: readonly number[]): string =>
    `p50 ${percentile(times, 0.5).toFixed(0)} p99 ${percentile(times, 0.99).toFixed(0)} ms`;
  console.log(
    `why ${show(quiet)}; in a moving run ${show(moving)}; all flows ${show(all)}; critical path ${show(path)}`,
  );
  expect(percentile(quiet, 0.5)).toBeLessThan(50);
  expect(percentile(all, 0.5)).toBeLessThan(200);
});

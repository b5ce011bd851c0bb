import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
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
import { type Asked, countStatements } from '../../support/statements.ts';

const database = await createTestDatabase('answers_large');
const api = await startTestApi(database, { coordinator: false });
/** Flows that one exchange of a moving run changes. */
const CHANGED = 50;

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
  const run = await openRun(api.deps, request, 'test');
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

/** The most statements, and the most bytes from the record, that one of the questions took. */
async function costOf(
  paths: readonly string[],
  before: () => Promise<void> = async () => {},
): Promise<Asked> {
  const all: Asked[] = [];
  for (const path of paths) {
    await before();
    const { answer, ...asked } = await countStatements(() => reader.get(path));
    expect(answer.status).toBe(200);
    expect(asked.statements).toBeGreaterThan(0);
    all.push(asked);
  }
  return {
    statements: Math.max(...all.map(({ statements }) => statements)),
    bytes: Math.max(...all.map(({ bytes }) => bytes)),
  };
}

test('answers through the API on an estate of 13,000 flows, half of them done', {
  timeout: 600_000,
}, async () => {
  const run = await openDay(denseCatalogue(), '2026-11-20');
  await pretend(run);
  const { graph } = await api.deps.contextOf(run);
  const some = Array.from({ length: 65 }, (_, i) => graph.ids[(i * 197) % graph.n]!);
  const why = some.map((flow) => `/runs/${run}/flows/${flow}/why`);
  await costOf(why.slice(0, 5));
  const quiet = await costOf(why);
  const moving = await costOf(why, () => exchangeOf(run, CHANGED));
  const all = await costOf([`/runs/${run}/why`]);
  const path = await costOf([`/runs/${run}/critical-path`]);
  console.log({ quiet, moving, all, path });
  for (const { statements } of [quiet, moving, all, path]) expect(statements).toBeLessThanOrEqual(STATEMENTS);
  // The state of the run is kept, and only what has changed is read again.
  expect(quiet.bytes).toBeLessThan(KEPT_BYTES);
  expect(all.bytes).toBeLessThan(KEPT_BYTES);
  expect(moving.bytes).toBeLessThan(KEPT_BYTES + CHANGED * FLOW_BYTES);
  // A critical path reads every attempt of the run, once.
  expect(path.bytes).toBeLessThan(KEPT_BYTES + 6_500 * FLOW_BYTES);
});

test('why of flows that wait for hours, days and months that were not opened takes no more statements than that of others', {
  timeout: 600_000,
}, async () => {
  const run = await openDay(estate(13_000, 42, { noop: true }), '2026-12-21');
  const { graph, subscriptions } = await api.deps.contextOf(run);
  const waiting = [...new Set(subscriptions.list.map(({ v }) => graph.ids[v]!))];
  expect(new Set(subscriptions.list.map((item) => item.run)).size).toBeGreaterThan(24);
  const some = Array.from({ length: 40 }, (_, i) => waiting[(i * 37) % waiting.length]!);
  // The last flows of the graph have the most above them: dozens of final causes in other runs.
  const paths = [...some, ...graph.ids.slice(-20)].map((flow) => `/runs/${run}/flows/${flow}/why`);
  await costOf(paths.slice(-5));
  const asked = await costOf(paths);
  console.log(asked);
  expect(asked.statements).toBeLessThanOrEqual(STATEMENTS);
});

/** Bytes from the record for an answer about a run whose state is kept. The state of all 13,000 flows would be more than 500,000. */
const KEPT_BYTES = 20_000;
/** Most bytes from the record for a flow, or an attempt, that is read; measured: 66. A second reading of all attempts would exceed the limit. */
const FLOW_BYTES = 100;
/** Begin and end, what an answer reads of a run, who asks, and for each of three cycles what could have opened its runs. */
const STATEMENTS = 24;

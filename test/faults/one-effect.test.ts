/** Each accepted success has exactly its own effect: random catalogues, reruns, lost reports, two records on one warehouse (protocol C3, C6). */
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createEmptyDatabase, createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText } from '../support/estate.ts';
import { copyDatabase, type Installation, startInstallation, type Worked } from '../support/installation.ts';

const warehouse = await createEmptyDatabase('warehouse');
const db = new pg.Client(warehouse.url);
beforeAll(() => db.connect());
afterAll(() => db.end());

/** Replaces what its work owns; the row says which attempt was there, and for whom. */
const program = (file: string, region: boolean): string => {
  const key = region ? ":period || ' ' || :region" : ':period';
  return `create table if not exists public.effects (file text, key text, epoch text, flow text, run text, generation int);
delete from public.effects where file = '${file}' and key = ${key};
insert into public.effects select '${file}', ${key}, substring(current_setting('application_name') from 'e([0-9]+) '), :flow, :run, :generation;
`;
};
const FILES = [
  { path: 'programs/load/Region.sql', text: program('load/Region', true) },
  { path: 'programs/other/Region.sql', text: program('other/Region', true) },
  { path: 'programs/Whole.sql', text: program('Whole', false) },
];

interface Made {
  readonly file: string;
  readonly region: string;
}
const flow: fc.Arbitrary<Made> = fc.record({
  file: fc.constantFrom('load/Region.sql', 'other/Region.sql', 'Whole.sql'),
  region: fc.constantFrom('BJ', 'SH'),
});
const textOf = (flows: readonly Made[]): string =>
  catalogueText(
    flows.map(({ file, region }, i) => ({
      id: `F${i}`,
      program: { type: 'sql', file },
      parameters: { region: { value: region } },
      retries: { lost: 20 },
      ...(i > 1 ? { after: ['F0'] } : {}),
    })),
    { connections: [{ id: 'yt', platform: 'yt' }] },
  );
const keyOf = ({ file, region }: Made, period: string): string =>
  file === 'Whole.sql' ? `Whole ${period}` : `${file.replace('.sql', '')} ${period} ${region}`;

type Step =
  | { readonly t: 'work'; readonly who: number; readonly loses: boolean }
  | { readonly t: 'both' }
  | { readonly t: 'rerun'; readonly who: number; readonly flow: number; readonly period: string };
const period = fc.constantFrom('2026-09', '2026-10');
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ t: fc.constant('work' as const), who: fc.nat(1), loses: fc.boolean() }),
  fc.record({ t: fc.constant('both' as const) }),
  fc.record({ t: fc.constant('rerun' as const), who: fc.nat(1), flow: fc.nat(5), period }),
);

const effects = async (): Promise<
  Map<string, { epoch: string; flow: string; run: string; generation: number }[]>
> => {
  const { rows } = await db.query('select file, key, epoch, flow, run, generation from public.effects');
  return Map.groupBy(rows, (row) => `${row.file} ${row.key}`);
};

test('of shared files, parameters, periods and reruns, on two records at once', async () => {
  const check = fc.asyncProperty(
    fc.array(flow, { minLength: 2, maxLength: 6 }),
    fc.array(step, { minLength: 3, maxLength: 8 }),
    async (flows, steps) => {
      await db.query('drop schema if exists sluice cascade; drop table if exists public.effects');
      await db.query(program('none', false).split(';')[0]!);
      const records = await Promise.all([createTestDatabase('one'), createTestDatabase('two')]);
      const both = await Promise.all(records.map(({ url }) => startInstallation(url, warehouse.url)));
      const newest = new Map<string, number>();
      const judge = (worked: readonly Worked[]): void => {
        for (const { task, ending } of worked) {
          expect(['succeeded', 'cancelled'], JSON.stringify(ending)).toContain(ending.outcome);
          if (ending.outcome === 'cancelled') expect(ending).toMatchObject({ stale: true, effect: false });
          if (ending.outcome !== 'succeeded' || ending.already === true) continue;
          const key = keyOf(flows[Number(task.lease.flow.slice(1))]!, task.period);
          newest.set(key, Math.max(newest.get(key) ?? 0, task.lease.epoch));
        }
      };
      /** An attempt that had nothing to do stands on an effect of its own flow and generation. */
      const already = async (worked: readonly Worked[]): Promise<void> => {
        for (const { task, ending } of worked)
          if (ending.outcome === 'succeeded' && ending.already === true) {
            const found = (await effects()).get(keyOf(flows[Number(task.lease.flow.slice(1))]!, task.period));
            expect(found).toMatchObject([
              { flow: task.lease.flow, run: task.lease.run, generation: task.lease.generation },
            ]);
            expect(task.own).toContain(Number(found![0]!.epoch));
          }
      };
      try {
        for (const installation of both) {
          await applyCatalogue(installation.pool, textOf(flows), 'apply', FILES);
          for (const opened of ['2026-09', '2026-10']) await installation.open(opened);
        }
        const act = async (other: Step): Promise<void> => {
          if (other.t === 'rerun') {
            await both[other.who]!.rerun(`month-${other.period}`, `F${other.flow % flows.length}`);
          } else if (other.t === 'work') {
            const worked = await both[other.who]!.work(other.loses);
            judge(worked);
            await already(worked);
          } else {
            const worked = await Promise.all(both.map((installation) => installation.work()));
            judge(worked.flat());
          }
        };
        for (const it of steps) await act(it);
        for (const installation of both)
          for (;;) {
            const worked = await installation.work();
            judge(worked);
            await already(worked);
            if (worked.length === 0) break;
          }
        const found = await effects();
        for (const rows of found.values()) expect(rows).toHaveLength(1);
        expect(Object.fromEntries([...found].map(([key, rows]) => [key, Number(rows[0]!.epoch)]))).toEqual(
          Object.fromEntries(newest),
        );
        // Every flow of both records has succeeded, and the effect of its work is there.
        for (const { pool } of both) {
          const { rows } = await pool.query('select run_id, flow_id, result from run_flows');
          for (const row of rows) {
            expect(row).toMatchObject({ result: 'succeeded' });
            const made = flows[Number(row.flow_id.slice(1))]!;
            expect([...found.keys()]).toContain(keyOf(made, row.run_id.slice(6).replace('-', '')));
          }
          const doubled = await pool.query(
            `select run_id, flow_id, generation from attempts where outcome = 'succeeded' group by 1, 2, 3 having count(*) > 1`,
          );
          expect(doubled.rows).toEqual([]);
        }
      } finally {
        await Promise.all(both.map((installation) => installation.close()));
        await Promise.all(records.map((record) => record.drop()));
      }
    },
  );
  await fc.assert(check, { numRuns: 8 });
});

const FLOWS: readonly Made[] = [
  { file: 'load/Region.sql', region: 'BJ' },
  { file: 'load/Region.sql', region: 'SH' },
];

async function workOff(installation: Installation): Promise<Worked[]> {
  const all: Worked[] = [];
  for (;;) {
    const worked = await installation.work();
    if (worked.length === 0) return all;
    all.push(...worked);
  }
}

test('a record that was restored executes again what it does not know, and says whose effect was there', async () => {
  await db.query('drop schema if exists sluice cascade; drop table if exists public.effects');
  await db.query(program('none', false).split(';')[0]!);
  const record = await createTestDatabase('backed_up');
  let installation = await startInstallation(record.url, warehouse.url);
  await applyCatalogue(installation.pool, textOf(FLOWS), 'apply', FILES);
  await installation.close();
  const backup = `${record.name}_backup`;
  await copyDatabase(record.url, backup);

  installation = await startInstallation(record.url, warehouse.url);
  await installation.open('2026-10');
  expect((await workOff(installation)).map(({ ending }) => ending.outcome)).toEqual([
    'succeeded',
    'succeeded',
  ]);
  await installation.close();
  const before = [...(await effects()).values()].flat().map((row) => Number(row.epoch));

  const restored = new URL(record.url);
  restored.pathname = `/${backup}`;
  installation = await startInstallation(restored.href, warehouse.url);
  try {
    await installation.open('2026-10');
    const worked = await workOff(installation);
    expect(worked.map(({ ending }) => ending)).toEqual([
      expect.objectContaining({
        outcome: 'succeeded',
        rows: 1,
        over: expect.objectContaining({ flow: 'F0' }),
      }),
      expect.objectContaining({
        outcome: 'succeeded',
        rows: 1,
        over: expect.objectContaining({ flow: 'F1' }),
      }),
    ]);
    const after = [...(await effects()).values()].flat().map((row) => Number(row.epoch));
    expect(Math.min(...after)).toBeGreaterThan(Math.max(...before));
    const { rows } = await installation.pool.query(
      "select flow_id, en from notices where kind = 'foreign_effect' order by flow_id",
    );
    expect(rows).toEqual([
      {
        flow_id: 'F0',
        en: expect.stringMatching(
          /lost when it was restored.*month-2026-10 F0.*, 20[\d-]+ [\d:]{8} Asia\/Shanghai\).*sluice rerun F0/,
        ),
      },
      { flow_id: 'F1', en: expect.stringMatching(/month-2026-10 F1/) },
    ]);
    // Its own effects are no strangers.
    await installation.rerun('month-2026-10', 'F0');
    expect(await workOff(installation)).toHaveLength(1);
    const again = await installation.pool.query("select 1 from notices where kind = 'foreign_effect'");
    expect(again.rowCount).toBe(2);
  } finally {
    await installation.close();
    const server = new pg.Client(warehouse.url);
    await server.connect();
    await server.query(`drop database ${pg.escapeIdentifier(backup)} with (force)`);
    await server.end();
  }
});

test('a larger epoch of another record raises the own ones, and the attempt is tried again outside its budget', async () => {
  await db.query('drop schema if exists sluice cascade; drop table if exists public.effects');
  await db.query(program('none', false).split(';')[0]!);
  const record = await createTestDatabase('raised');
  const installation = await startInstallation(record.url, warehouse.url);
  await applyCatalogue(installation.pool, textOf(FLOWS), 'apply', FILES);
  const run = await installation.open('2026-10');
  await workOff(installation);
  const ahead =
    "update sluice.sluice_work set epoch = epoch + 3600000000, record = 'another', run = 'elsewhere'";
  await db.query(ahead);
  await installation.rerun(run, 'F0');
  const worked = await workOff(installation);
  expect(worked.map(({ ending }) => ending)).toEqual([
    expect.objectContaining({ outcome: 'cancelled', stale: true }),
    expect.objectContaining({ outcome: 'succeeded', over: expect.objectContaining({ record: 'another' }) }),
  ]);
  const { rows } = await installation.pool.query(
    "select result, used_budget from run_flows where flow_id = 'F0'",
  );
  expect(rows).toEqual([{ result: 'succeeded', used_budget: 0 }]);
  const said = await installation.pool.query(
    "select message from attempts where flow_id = 'F0' order by epoch",
  );
  expect(said.rows.map((row) => row.message)).toEqual([
    null,
    expect.stringMatching(/^stale: .*record another: elsewhere F0.*tried again/),
    expect.stringMatching(/over the effect of another installation.*sluice rerun F0 --run elsewhere/),
  ]);

  // An epoch that no clock gives out is nothing to go beyond.
  await db.query("update sluice.sluice_work set epoch = 9100000000000000000, record = 'a hand'");
  await installation.rerun(run, 'F1');
  await workOff(installation);
  const failed = await installation.pool.query(
    "select outcome, failure_kind, message from attempts where flow_id = 'F1' order by epoch desc limit 1",
  );
  expect(failed.rows[0]).toMatchObject({
    outcome: 'failed',
    failure_kind: 'program',
    message: expect.stringMatching(/, 20[\d-]+ [\d:]{8} Asia\/Shanghai\): somebody wrote the row by hand/),
  });
  await installation.close();
});

import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { ensurePlatformSchema } from '../../../platforms/sql/fence.ts';
import { fencesOf } from '../../../platforms/sql/fence-report.ts';
import { createEmptyDatabase } from '../../support/database.ts';
import { workKey } from '../task.ts';

const { url } = await createEmptyDatabase('fences');
const { url: bare } = await createEmptyDatabase('nofences');
const connections = { yt: url, bare };
const db = new pg.Client(url);

beforeAll(async () => {
  await db.connect();
  await ensurePlatformSchema(db);
});
afterAll(() => db.end());
beforeEach(() => db.query('truncate sluice.sluice_work'));

/** Works of a run; epochs count on from `first`. */
async function works(count: number, record: string, run: string, first: number): Promise<void> {
  const keys = Array.from({ length: count }, (_, i) => workKey(`${record} ${run} ${i}`));
  await db.query(
    `insert into sluice.sluice_work select w, $2 + n - 1, $3, $4, 'F', 1, true from unnest($1::text[]) with ordinality as x (w, n)`,
    [keys, first, record, run],
  );
}
const left = async () =>
  (
    await db.query(
      'select record, run, count(*)::int as n from sluice.sluice_work group by 1, 2 order by 1, 2',
    )
  ).rows;

it('reads a page at a look, counts through all of them, and begins again', async () => {
  await works(7, 'own', 'day-1', 100);
  await works(3, 'other', 'day-1', 900);
  const fences = fencesOf(connections, 4);
  const counted: Record<string, number>[] = [];
  for (let look = 0; look < 6; look++) {
    const { reports, runs } = await fences.look('own');
    expect(reports.map(({ connection }) => connection)).toEqual(['yt']);
    expect(runs).toEqual(['day-1']);
    counted.push(Object.fromEntries(reports[0]!.records.map((record) => [record.record, record.works])));
  }
  const total = (entry: Record<string, number>) => Object.values(entry).reduce((sum, n) => sum + n, 0);
  expect(counted.slice(0, 2).map(total)).toEqual([4, 8]);
  // From the end of the first round on, nothing is lost from sight.
  for (const it of counted.slice(2)) expect(it).toEqual({ own: 7, other: 3 });
  const { reports } = await fences.look('own');
  expect(Object.fromEntries(reports[0]!.records.map((record) => [record.record, record.newest]))).toEqual({
    own: 106,
    other: 902,
  });
});

it("takes away the rows of the record's own archived runs, and no others", async () => {
  await works(5, 'own', 'day-1', 100);
  await works(5, 'own', 'day-2', 200);
  await works(5, 'other', 'day-1', 300);
  const fences = fencesOf(connections);
  const { runs } = await fences.look('own');
  expect([...runs].sort()).toEqual(['day-1', 'day-2']);
  await fences.forget('own', ['day-1']);
  expect(await left()).toEqual([
    { record: 'other', run: 'day-1', n: 5 },
    { record: 'own', run: 'day-2', n: 5 },
  ]);
});

it('leaves a row that an attempt has taken since it was looked at, or holds', async () => {
  await works(3, 'own', 'day-1', 100);
  const fences = fencesOf(connections);
  await fences.look('own');
  await db.query('update sluice.sluice_work set epoch = 500 where epoch = 100');
  const holder = new pg.Client(url);
  await holder.connect();
  await holder.query('begin; select 1 from sluice.sluice_work where epoch = 101 for update');
  await fences.forget('own', ['day-1']);
  expect((await db.query('select epoch from sluice.sluice_work order by epoch')).rows).toEqual([
    { epoch: '101' },
    { epoch: '500' },
  ]);
  await holder.end();
  await fences.look('own');
  await fences.forget('own', ['day-1']);
  expect(await left()).toEqual([]);
});

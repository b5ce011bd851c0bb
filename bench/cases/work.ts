/** Cases about the identity of work: whose effects a fence row stands for, and what cannot stand in one transaction. */
import { type Case, type CaseTools, expectPart, expectSame, HEAD, sqlFlow } from './case.ts';

const REGIONS = ['BJ', 'SH', 'GZ'];
const LOAD_REGION = `
create table if not exists cases.region_load (month text, region text, at timestamptz default clock_timestamp());
delete from cases.region_load where month = :period and region = :region;
insert into cases.region_load (month, region) values (:period, :region);
`;

async function regions({ warehouse }: CaseTools, month: string): Promise<string[]> {
  const { rows } = await warehouse.query<{ region: string }>(
    'select region from cases.region_load where month = $1 order by region',
    [month],
  );
  return rows.map((row) => row.region);
}

async function loadedAt({ warehouse }: CaseTools, month: string, region: string): Promise<string> {
  const { rows } = await warehouse.query<{ at: string }>(
    'select at::text from cases.region_load where month = $1 and region = $2',
    [month, region],
  );
  return rows[0]?.at ?? 'never';
}

export const workCases: readonly Case[] = [
  {
    id: '01',
    right: 'flows that share a SQL file load their own region, each once, and again when rerun',
    async check(tools) {
      const flows = REGIONS.map((region) =>
        sqlFlow(`C01.${region}`, 'LoadRegion.sql', `, parameters: { region: { value: ${region} } }`),
      );
      await tools.warehouse.query(
        'create table if not exists cases.region_load (month text, region text, at timestamptz default clock_timestamp())',
      );
      const run = await tools.open(
        { 'c01.yaml': HEAD + flows.join(''), 'programs/LoadRegion.sql': LOAD_REGION },
        '2025-01',
      );
      for (const region of REGIONS)
        expectSame(region, await tools.resultOf(run, `C01.${region}`), 'succeeded');
      expectSame('regions loaded', await regions(tools, '202501'), [...REGIONS].sort());
      const first = await loadedAt(tools, '202501', 'GZ');
      for (const region of ['GZ', 'SH', 'GZ']) {
        const before = await loadedAt(tools, '202501', region);
        const flow = `C01.${region}`;
        const done = await tools.sluice(
          'rerun',
          flow,
          '--run',
          run,
          '--scope',
          'only',
          '--apply',
          '--reason',
          'again',
        );
        expectSame('exit code of rerun', done.code, 0);
        await tools.until(`${region} is loaded again`, async () => {
          return (await loadedAt(tools, '202501', region)) !== before;
        });
        expectSame(region, await tools.resultOf(run, flow), 'succeeded');
      }
      if ((await loadedAt(tools, '202501', 'GZ')) === first) throw new Error('GZ was not loaded again');
      expectSame('regions loaded', await regions(tools, '202501'), [...REGIONS].sort());
    },
  },
  {
    id: '03',
    right: "a fence row of another record neither counts as done nor blocks this record's work",
    async check(tools) {
      const { warehouse } = tools;
      // What an installation of before left under its own key, and one that still counts from larger epochs.
      await warehouse.query(`create schema if not exists sluice`);
      await warehouse.query(`create table if not exists sluice.sluice_fence (
        program text not null, period text not null, epoch bigint not null, run text not null,
        generation integer not null, done boolean not null, primary key (program, period))`);
      await warehouse.query(
        `insert into sluice.sluice_fence values ('C03Load', '202503', 900000000, 'month-2025-03', 1, true),
          ('C03Again', '202503', 0, 'month-2025-03', 1, true) on conflict do nothing`,
      );
      const program = `create table if not exists cases.c03 (month text, who text);
insert into cases.c03 values (:period, ':who');`;
      await warehouse.query('create table if not exists cases.c03 (month text, who text)');
      const run = await tools.open(
        {
          'c03.yaml': `${HEAD}${sqlFlow('C03.Load', 'C03Load.sql')}${sqlFlow('C03.Again', 'C03Again.sql')}`,
          'programs/C03Load.sql': program.replace(':who', 'Load'),
          'programs/C03Again.sql': program.replace(':who', 'Again'),
        },
        '2025-03',
      );
      for (const flow of ['C03.Load', 'C03.Again'])
        expectSame(flow, await tools.resultOf(run, flow), 'succeeded');
      const written = async (): Promise<string[]> =>
        (await warehouse.query<{ who: string }>('select who from cases.c03 order by who')).rows.map(
          (row) => row.who,
        );
      expectSame('rows written', await written(), ['Again', 'Load']);

      // The rows as a record that was lost would have left them: done, of the same run and generation, with a larger epoch.
      const changed = await warehouse.query(
        `update sluice.sluice_work set epoch = epoch + 1000, record = 'lost-record', done = true where run = $1`,
        [run],
      );
      expectSame('fence rows of the run', changed.rowCount, 2);
      const again = await tools.sluice(
        'rerun',
        'C03.Load',
        'C03.Again',
        '--run',
        run,
        '--scope',
        'only',
        '--apply',
        '--reason',
        'lost',
      );
      expectSame('exit code of rerun', again.code, 0);
      await tools.until('both have written again', async () => (await written()).length === 4);
      for (const flow of ['C03.Load', 'C03.Again'])
        expectSame(flow, await tools.resultOf(run, flow), 'succeeded');
      expectSame('rows written', await written(), ['Again', 'Again', 'Load', 'Load']);
    },
  },
  {
    id: 'R21',
    right:
      'VACUUM and procedures that commit are refused with the way to declare them, and run when declared',
    async check(tools) {
      const make = `create table if not exists cases.c21 (month text, n int);
create or replace procedure cases.c21_load(p text) language plpgsql as $$
begin
  for i in 1..3 loop
    insert into cases.c21 values (p, i);
    commit;
  end loop;
end $$;`;
      const files = (how: string): Record<string, string> => ({
        'c21.yaml':
          HEAD +
          sqlFlow('C21.Make', 'C21Make.sql') +
          `  - { id: C21.Call, names: { en: Call, zh: 调用 }, kind: job, cycle: month, platform: yt, after: [C21.Make], program: { type: sql, file: C21Call.sql, connection: yt${how} } }\n` +
          `  - { id: C21.Vacuum, names: { en: Vacuum, zh: 清理 }, kind: job, cycle: month, platform: yt, after: [C21.Make], program: { type: sql, file: C21Vacuum.sql, connection: yt${how} } }\n`,
        'programs/C21Make.sql': make,
        'programs/C21Call.sql': 'call cases.c21_load(:period);\n',
        'programs/C21Vacuum.sql': 'vacuum analyze cases.c21;\n',
      });
      const plain = await tools.folder(files(''));
      const checked = await tools.sluice('catalogue', 'check', plain);
      expectPart('check of a program with VACUUM', checked.out + checked.err, 'transaction: none');

      const run = await tools.open(files(', transaction: none'), '2025-12');
      for (const flow of ['C21.Call', 'C21.Vacuum'])
        expectSame(flow, await tools.resultOf(run, flow), 'succeeded');
      const { rows } = await tools.warehouse.query<{ n: number }>(
        "select count(*)::int as n from cases.c21 where month = '202512'",
      );
      expectSame('rows that the procedure committed', rows[0]!.n, 3);
    },
  },
];

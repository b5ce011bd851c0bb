/** `sluice query`, `sluice lineage`, `sluice catalogue findings` against a real API. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSheet } from 'read-excel-file/node';
import { afterAll, describe, expect, test } from 'vitest';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../support/estate.ts';
import { startCliEstate } from './estate.ts';

const { api, sluice, direct } = await startCliEstate(await createTestDatabase('cli_query'));
await applyCatalogue(
  api.pool,
  catalogueText(
    [
      { id: 'A', names: { en: 'First', zh: '第一个' }, writes: ['s.a'], groups: ['top'] },
      { id: 'B', after: ['A'], names: { en: '=1+1', zh: '=1+1' }, reads: ['s.a'], writes: ['s.b'] },
      {
        id: 'C',
        after: ['B'],
        names: { en: 'Third\u001b[31m', zh: '第三个' },
        reads: ['s.b'],
        program: { type: 'sql', file: 'C.sql', connection: 'yt' },
      },
    ],
    { connections: [{ id: 'yt', platform: 'yt' }] },
  ),
  'apply',
  [{ path: 'programs/C.sql', text: 'insert into s.c select * from s.b' }],
);
const run = await openTestRun(api.pool, '2026-10');
await api.coordinator!.settled(run);
const folder = await mkdtemp(join(tmpdir(), 'sluice-test-query-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('query', () => {
  test('without a name lists all queries; --explain says what one asks and how to ask it', async () => {
    const list = await sluice(['query', '--json']);
    expect(list.json()).toEqual((await direct('admin').get('/queries')).body);
    const zh = await sluice(['query', '--lang', 'zh']);
    expect(zh.out).toContain('Q17');
    expect(zh.out).toContain('查程序未运行原因');
    const explained = await sluice(['query', 'q17', '--explain']);
    expect(explained.out).toContain('Why has this program not run?');
    expect(explained.out).toContain('sluice query Q17 flow=');
  });

  test('as a table with titles in the language that was asked for, and with --json as the payload of the API', async () => {
    const en = await sluice(['query', 'Q05', 'flows=C', 'depth=1']);
    expect(en.exit).toBe(0);
    expect(en.out).not.toContain('\u001b');
    const zh = await sluice(['query', 'Q14', '--lang', 'zh']);
    expect(zh.out).toContain('Q14  date=2026-10');
    const json = (await sluice(['query', 'Q36', 'flow=A', '--json'])).json();
    const { now: _, ...want } = (await direct('admin').get('/queries/Q36?flow=A')).body;
    expect(json).toMatchObject(want);
    expect(json.items.length).toBeGreaterThan(5);
  });

  test('as CSV on stdout and as xlsx in a file, whole', async () => {
    const csv = await sluice(['query', 'Q03', '--csv', '--limit', '1']);
    expect(csv.out.startsWith('\ufeffflow,program,')).toBe(true);
    expect(csv.out.trimEnd().split('\r\n')).toHaveLength(4);
    const file = join(folder, 'Q28.xlsx');
    const xlsx = await sluice(['query', 'Q03', '--xlsx', file, '--lang', 'zh']);
    expect(xlsx).toMatchObject({ exit: 0, out: '' });
    const sheet = await readSheet(await readFile(file));
    expect(sheet[0]![0]).toBe('流程');
    expect(sheet).toHaveLength(4);
  });

  test.each<[string, string[], number, string]>([
    ['a query that does not exist', ['query', 'Q99'], 3, 'unknown_query'],
    ['the explanation of one that does not exist', ['query', 'Q99', '--explain'], 3, 'unknown_query'],
    ['an input that is none', ['query', 'Q01', 'platform'], 2, 'invalid_request'],
    ['an input that it does not have', ['query', 'Q01', 'depth=1'], 2, 'invalid_request'],
    ['a flow that does not exist', ['query', 'Q03', 'flows=Z'], 3, 'unknown_flow'],
    ['a file that cannot be written', ['query', 'Q01', '--xlsx', tmpdir()], 2, 'file_unwritable'],
  ])('%s is refused', async (_name, args, exit, code) => {
    const ran = await sluice(args);
    expect(ran).toMatchObject({ exit, out: '' });
    expect(ran.err).toContain(code);
    expect(ran.err).not.toMatch(/\n +at /);
  });
});

describe('lineage', () => {
  test('of a flow, or of a table when no flow has the name, as a tree', async () => {
    const down = await sluice(['lineage', 'A']);
    expect(down.out.trimEnd().split('\n')).toEqual([
      'A  First  month',
      '└─ s.a  yt',
      '   └─ B  =1+1  month',
      '      └─ s.b  yt',
      '         └─ C  Third  month',
      '            └─ s.c  yt',
    ]);
    const up = await sluice(['lineage', 's.b', '--up', '--depth', '1', '--lang', 'zh']);
    expect(up.out.trimEnd().split('\n')).toEqual(['s.b  yt', '└─ B  =1+1  month']);
    const json = await sluice(['lineage', 's.b', '--json']);
    expect(json.json()).toEqual((await direct('admin').get('/lineage?table=s.b&direction=down')).body);
  });

  test('what is not known is refused by name', async () => {
    expect(await sluice(['lineage', 's.x'])).toMatchObject({ exit: 3, out: '' });
    expect((await sluice(['lineage', 's.x'])).err).toContain('unknown_table');
  });
});

describe('catalogue findings', () => {
  test('are listed with exit code 6', async () => {
    const found = await sluice(['catalogue', 'findings']);
    expect(found.exit).toBe(6);
    expect(found.out).toMatch(/C +used_not_declared +writes s\.c/);
    expect((await sluice(['catalogue', 'findings', '9'])).exit).toBe(3);
  });
});

import { afterAll, describe, expect, test } from 'vitest';
import { checkFiles } from '../../../services/catalogue/catalogue-files.ts';
import { exportedFiles } from '../../../services/catalogue/file-text.ts';
import { ProgramReader } from '../../../services/programs/program-reader.ts';

const programs = new ProgramReader();
afterAll(() => programs.close());

const NOW = Date.UTC(2026, 10, 1);
const given = (path: string, bytes: Uint8Array | string) => ({
  path,
  base64: Buffer.from(bytes as Uint8Array).toString('base64'),
});
const yaml = (file: string, more = '') => `connections:
  - { id: yt, platform: yt }
flows:
  - id: A
    names: { en: A, zh: 城市 }
    kind: job
    cycle: month
    platform: yt
    program: { type: sql, file: ${file}, connection: yt }
${more}`;
const gbk = Buffer.concat([Buffer.from("select '"), Buffer.from([0xb1, 0xb1, 0xbe, 0xa9]), Buffer.from("'")]);
const told = async (files: Parameters<typeof checkFiles>[0]) =>
  (await checkFiles(files, { programs, mode: 'apply', now: NOW })).problems.map(
    ({ code, severity, file, line, column }) => `${severity} ${code} ${file}:${line}:${column}`,
  );

describe('the files of a catalogue', () => {
  test('one that is no UTF-8 is refused with its place, and is not missing besides', async () => {
    expect(await told([given('p.yaml', yaml('a.sql')), given('programs/a.sql', gbk)])).toEqual([
      'error text_encoding programs/a.sql:1:9',
    ]);
    const bad = Buffer.concat([Buffer.from('flows: []\n# '), gbk]);
    expect(await told([given('p.yaml', bad)])).toEqual(['error text_encoding p.yaml:2:11']);
  });

  test('a byte order mark is dropped, in YAML and in SQL, given as bytes or as text', async () => {
    const marked = [
      given('p.yaml', `\ufeff${yaml('a.sql')}`),
      { path: 'programs/a.sql', text: '\ufeffselect 1' },
    ];
    const plain = [given('p.yaml', yaml('a.sql')), { path: 'programs/a.sql', text: 'select 1' }];
    const [first, second] = await Promise.all(
      [marked, plain].map((files) => checkFiles(files, { programs, mode: 'apply', now: NOW })),
    );
    expect(first!.problems).toEqual([]);
    expect(first!.hash).toBe(second!.hash);
    expect(first!.files.map((file) => file.text)).toEqual([yaml('a.sql'), 'select 1']);
  });

  test('declared encodings are read; what is exported is UTF-8 and is the same catalogue again', async () => {
    const root = yaml('old/a.sql', 'encodings:\n  "programs/old/**": gb18030\n');
    const first = await checkFiles([given('p.yaml', root), given('programs/old/a.sql', gbk)], {
      programs,
      mode: 'apply',
      now: NOW,
    });
    expect(first.problems).toEqual([]);
    expect(first.files[1]!.text).toBe("select '北京'");
    const exported = exportedFiles(first.files);
    const again = await checkFiles(
      exported.map(({ path, text }) => given(path, Buffer.from(text, 'utf8'))),
      { programs, mode: 'apply', now: NOW },
    );
    expect(again.problems).toEqual([]);
    expect(again.hash).toBe(first.hash);
  });

  test('extensions count in any case', async () => {
    const { flows, problems } = await checkFiles(
      [given('P.YAML', yaml('A.SQL')), given('programs/A.SQL', 'select 1'), given('Q.Yml', 'flows: []')],
      { programs, mode: 'apply', now: NOW },
    );
    expect([flows.length, problems]).toEqual([1, []]);
  });

  test('paths that some disks take for one are named', async () => {
    const sql = (path: string) => ({ path, text: 'select 1' });
    expect(
      await told([given('p.yaml', yaml('a.sql')), sql('programs/a.sql'), sql('programs/A.sql')]),
    ).toEqual(['warning paths_alike programs/a.sql:null:null']);
    const [nfc, nfd] = ['programs/\u00e9.sql', 'programs/e\u0301.sql'];
    expect(await told([given('p.yaml', 'flows: []'), sql(nfc), sql(nfd)])).toEqual([
      `warning paths_alike ${nfc}:null:null`,
    ]);
  });

  test('a program that is there under another spelling is named in the problem', async () => {
    const { problems } = await checkFiles(
      [given('p.yaml', yaml('Load.sql')), { path: 'programs/load.SQL', text: 'select 1' }],
      { programs, mode: 'apply', now: NOW },
    );
    expect(problems[0]!.message.en).toBe(
      "there is no file programs/Load.sql; 'programs/load.SQL' differs from it in case or Unicode form only",
    );
  });

  test('what shows that a file was damaged is a warning with its place', async () => {
    expect(
      await told([
        given('p.yaml', 'flows: []'),
        { path: 'programs/a.sql', text: 'select 1;\n\ufeffselect 2' },
        { path: 'programs/b.sql', text: "select '\ufffd\ufffd'" },
      ]),
    ).toEqual(['warning text_suspicious programs/a.sql:2:1', 'warning text_suspicious programs/b.sql:1:9']);
  });
});

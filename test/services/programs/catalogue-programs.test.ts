/** SQL programs at the door: what would fail at night is refused when the catalogue is checked or applied. */
import { expect, test } from 'vitest';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { catalogueText, type ShortFlow } from '../../support/estate.ts';

const database = await createTestDatabase('catalogue_programs');
const api = await startTestApi(database, { coordinator: false });
const max = await api.actor({ name: 'max', kind: 'person', roles: ['maintainer'] });

const connections = [
  { id: 'yt', platform: 'yt' },
  { id: 'dm', platform: 'dm', dialect: 'other' },
];
const sql = (id: string, file: string, more: object = {}): ShortFlow => ({
  id,
  program: { type: 'sql', file, connection: 'yt' },
  ...more,
});
const body = (flows: readonly ShortFlow[], programs: Readonly<Record<string, string>>) => ({
  files: [
    { path: 'main.yaml', text: catalogueText(flows, { connections }) },
    ...Object.entries(programs).map(([name, text]) => ({ path: `programs/${name}`, text })),
  ],
});
const check = async (given: object): Promise<Json> => (await max.post('/catalogue/check', given)).body;
const places = (problems: Json[]) =>
  problems.map(({ severity, code, file, line, column, members }: Json) => ({
    is: `${severity} ${code} ${file}:${line}:${column}`,
    ...(members === undefined ? {} : { members }),
  }));

test('a syntax error is refused once a file, with its place and the flows that use it', async () => {
  const given = body([sql('A', 'a.sql'), sql('B', 'a.sql'), sql('C', 'c.sql')], {
    'a.sql': '-- 中文\nselect 1;\nselec 2;',
    'c.sql': 'select 1',
  });
  const { ok, problems } = await check(given);
  expect(ok).toBe(false);
  expect(places(problems)).toEqual([{ is: 'error sql_syntax programs/a.sql:3:1', members: ['A', 'B'] }]);
  expect(problems[0].message.en).toBe('syntax error at or near "selec" (used by A, B)');
  expect(await max.post('/catalogue/apply', given)).toMatchObject({
    status: 422,
    body: { code: 'catalogue_invalid', facts: { problems: [{ code: 'sql_syntax' }] } },
  });
  expect((await max.post('/catalogue/diff', given)).status).toBe(422);
});

test('import, and a platform of another dialect, only warn', async () => {
  const flows = [
    sql('A', 'a.sql'),
    sql('B', 'a.sql', { program: { type: 'sql', file: 'a.sql', connection: 'dm' } }),
  ];
  const programs = { 'a.sql': 'create table a (b int) distribute by hash' };
  expect(places((await check(body(flows, programs))).problems)).toMatchObject([
    { is: 'error sql_syntax programs/a.sql:1:24' },
  ]);
  const other = await check(body(flows.slice(1), programs));
  expect(other.ok).toBe(true);
  expect(places(other.problems)).toEqual([{ is: 'warning sql_syntax programs/a.sql:1:24', members: ['B'] }]);
  const imported = await check({ ...body(flows, programs), mode: 'import' });
  expect(imported.ok).toBe(true);
  expect(places(imported.problems)).toMatchObject([{ is: 'warning sql_syntax programs/a.sql:1:24' }]);
});

test('a parameter that a flow does not give is refused, one that nothing binds is a warning', async () => {
  const given = body(
    [
      sql('A', 'a.sql', { parameters: { region: { value: 'BJ' }, spare: { value: 1 } } }),
      sql('B', 'a.sql', { parameters: { regoin: { value: 'SH' }, spare: { value: 1 } } }),
      sql('C', 'a.sql', { parameters: { region: { value: 'GZ' } } }),
    ],
    {
      'a.sql': 'select :region, :period, :first_day, :last_day,\n :previous_period, :run, :flow, :generation',
    },
  );
  const { problems } = await check(given);
  expect(places(problems)).toEqual([
    { is: 'error sql_parameter programs/a.sql:1:8', members: ['B'] },
    { is: expect.stringMatching(/^warning unused_parameter main\.yaml:/) },
    { is: expect.stringMatching(/^warning unused_parameter main\.yaml:/) },
  ]);
  expect(problems[0].message.en).toContain("did you mean 'regoin'");
  expect(problems.slice(1).map(({ id }: Json) => id)).toEqual(['A', 'B']);
  expect(problems[1].message.en).toContain('nor do 1 more');
});

test('transaction control, copies from clients and empty files are refused; a check only reads and answers one boolean', async () => {
  const given = body(
    [
      sql('Control', 'control.sql'),
      sql('Copy', 'copy.sql'),
      sql('Empty', 'empty.sql'),
      sql('Check', 'shared.sql', { kind: 'check' }),
      // For a job the same text is sound.
      sql('Job', 'shared.sql'),
      sql('Number', 'number.sql', { kind: 'check' }),
    ],
    {
      'control.sql': 'insert into c select 1;\n/* so that it stays */ commit;\nselect 1;',
      'copy.sql': 'copy a from stdin;',
      'empty.sql': '-- to be written',
      'shared.sql': 'insert into b select 1;',
      'number.sql': 'select count(*) from a;',
    },
  );
  expect(places((await check(given)).problems)).toEqual([
    { is: 'error sql_transaction programs/control.sql:2:24', members: ['Control'] },
    { is: 'error sql_copy programs/copy.sql:1:1', members: ['Copy'] },
    { is: 'error sql_empty programs/empty.sql:1:1', members: ['Empty'] },
    { is: 'error check_writes programs/shared.sql:1:1', members: ['Check'] },
    { is: 'error check_no_boolean programs/number.sql:1:1', members: ['Number'] },
  ]);
});

test('a program that the parser cannot finish is a warning, and the API goes on', async () => {
  const given = body([sql('Deep', 'deep.sql'), sql('Wrong', 'wrong.sql')], {
    'deep.sql': `select ${'1+'.repeat(20_000)}1`,
    'wrong.sql': 'selec 1',
  });
  expect(places((await check(given)).problems)).toEqual([
    { is: 'warning sql_not_checked programs/deep.sql:1:1', members: ['Deep'] },
    { is: 'error sql_syntax programs/wrong.sql:1:1', members: ['Wrong'] },
  ]);
});

test('while programs are read, other requests are answered', async () => {
  // Enough that reading takes many times as long as an answer; none of them was read before.
  const programs = Object.fromEntries(
    Array.from({ length: 60 }, (_, i) => [
      `p${i}.sql`,
      Array.from(
        { length: 60 },
        (__, k) => `insert into a${i} select b.x${k} from b${i} b join c on b.x = c.x;`,
      ).join('\n'),
    ]),
  );
  const given = body(
    Object.keys(programs).map((file, i) => sql(`F${i}`, file)),
    programs,
  );
  let over = false;
  let answered = 0;
  const checking = check(given).then((answer) => {
    over = true;
    return answer;
  });
  while (!over) {
    expect((await max.get('/verbs')).status).toBe(200);
    if (!over) answered++;
    // Requests in this process alone would never let its sockets be read; those of a client do.
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  expect(await checking).toMatchObject({ ok: true });
  expect(answered).toBeGreaterThan(0);
  await api.deps.programs.close();
  // Nothing is read a second time: no thread is started for it.
  expect((await check(given)).ok).toBe(true);
});

import { expect, test } from 'vitest';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';

const database = await createTestDatabase('catalogue');
const api = await startTestApi(database, { coordinator: false });
const max = await api.actor({ name: 'max', kind: 'person', roles: ['maintainer'] });
const ann = await api.actor({ name: 'ann', kind: 'person', roles: ['operator'] });

const flow = (id: string, rest = '') =>
  `  - { id: ${id}, kind: job, cycle: month, platform: yt, names: { en: ${id}, zh: ${id} }, program: { type: noop }${rest} }\n`;
const files = (text: string, more: { path: string; text: string }[] = []) => ({
  files: [{ path: 'main.yaml', text: `flows:\n${text}` }, ...more],
});

test('the check tells every problem with file, line and column, and stores nothing', async () => {
  const answer = await ann.post(
    '/catalogue/check',
    files(flow('A', ', after: [B]') + flow('C', ', after: [A, NOWHERE]') + flow('A')),
  );
  expect(answer).toMatchObject({ status: 200, body: { ok: false } });
  expect(answer.body.problems.map((json: Json) => [json.code, json.file, json.line])).toEqual([
    ['unknown_reference', 'main.yaml', 2],
    ['unknown_reference', 'main.yaml', 3],
    ['duplicate_id', 'main.yaml', 4],
  ]);
  expect((await ann.get('/catalogue')).body.code).toBe('no_catalogue');
});

test('apply stores a version once, answers the difference, and refuses what is not sound', async () => {
  const first = await max.post('/catalogue/apply', {
    ...files(flow('A') + flow('B', ', after: [A]')),
    reason: 'first',
  });
  expect(first).toMatchObject({
    status: 200,
    body: { version: 1, created: true, flows: 2, diff: { against: null, added: ['A', 'B'] } },
  });
  expect(
    (await max.post('/catalogue/apply', files(flow('A') + flow('B', ', after: [A]')))).body,
  ).toMatchObject({
    version: 1,
    created: false,
  });
  const next = files(flow('A', ', key: true') + flow('C'));
  const diff = await ann.post('/catalogue/diff', next);
  expect(diff.body).toMatchObject({
    against: 1,
    added: ['C'],
    removed: ['B'],
    changed: [{ flow: 'A', fields: ['key'] }],
    frame: [],
  });
  expect((await max.post('/catalogue/apply', { ...next, dryRun: true })).body).toMatchObject({
    version: null,
    created: false,
  });
  expect((await max.post('/catalogue/apply', { ...next, remove: true })).body.version).toBe(2);

  const loop = await max.post(
    '/catalogue/apply',
    files(flow('A', ', after: [B]') + flow('B', ', after: [A]')),
  );
  expect(loop).toMatchObject({
    status: 422,
    body: { code: 'catalogue_invalid', facts: { problems: [{ code: 'loop', file: 'main.yaml' }] } },
  });
  expect((await ann.get('/catalogue')).body.version).toBe(2);
});

test('import loads loops and broken references, with warnings', async () => {
  const answer = await max.post('/catalogue/import', {
    ...files(flow('A', ', after: [B]') + flow('B', ', after: [A, GONE]')),
    remove: true,
  });
  expect(answer.status).toBe(200);
  expect(answer.body.problems.map((json: Json) => json.severity)).toEqual(
    answer.body.problems.map(() => 'warning'),
  );
  expect(answer.body.problems.length).toBeGreaterThanOrEqual(2);
});

test('a SQL program comes with its file, and export gives back what was applied', async () => {
  const sql = flow('S', '')
    .replace('{ type: noop }', '{ type: sql, file: s.sql, connection: yt }')
    .replace(/^/, '');
  const text = `connections: [{ id: yt, platform: yt }]\nflows:\n${sql}`;
  const yaml = { path: 'main.yaml', text };
  const missing = await max.post('/catalogue/apply', { files: [yaml] });
  expect(missing).toMatchObject({
    status: 422,
    body: { facts: { problems: [{ code: 'unknown_reference', id: 'S', file: 'main.yaml', line: 3 }] } },
  });
  const program = { path: 'programs/s.sql', text: 'select 1' };
  const applied = await max.post('/catalogue/apply', { files: [program, yaml], remove: true });
  expect(applied.status).toBe(200);
  const exported = await ann.get('/catalogue/export');
  expect(exported.body).toMatchObject({ version: applied.body.version, files: [yaml, program] });
  expect((await ann.get('/catalogue/export?version=1')).body.version).toBe(1);
  expect((await ann.get('/catalogue/export?version=99')).body.code).toBe('unknown_version');
  const changed = await ann.post('/catalogue/diff', { files: [yaml, { ...program, text: 'select 2' }] });
  expect(changed.body).toMatchObject({ added: [], changed: [], programs: ['programs/s.sql'] });
  expect((await ann.get('/catalogue/flows/S')).body).toMatchObject({ id: 'S', runner: 'agent' });
});

test('only maintainers apply, paths stay inside, and versions are listed', async () => {
  expect(await ann.post('/catalogue/apply', files(flow('A')))).toMatchObject({
    status: 403,
    body: { code: 'forbidden' },
  });
  for (const path of ['../x.yaml', '/etc/passwd', 'a/../../b.yaml', 'a\\b.yaml', './a.yaml'])
    expect(await max.post('/catalogue/check', { files: [{ path, text: '' }] })).toMatchObject({
      status: 400,
      body: { code: 'invalid_request', errors: [{ pointer: '/files/0/path' }] },
    });
  const versions = (await ann.get('/catalogue/versions')).body.items;
  expect(versions.map((json: Json) => [json.version, json.mode, json.createdBy])).toEqual([
    [4, 'apply', 'max'],
    [3, 'import', 'max'],
    [2, 'apply', 'max'],
    [1, 'apply', 'max'],
  ]);
});

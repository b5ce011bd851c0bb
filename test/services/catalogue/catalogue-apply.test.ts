/** What keeps one maintainer from undoing another's work: the base version, removals that must be meant, and the way back. */
import { expect, test } from 'vitest';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { catalogueText, type ShortFlow } from '../../support/estate.ts';

const database = await createTestDatabase('catalogue_apply');
const api = await startTestApi(database, { coordinator: false });
const max = await api.actor({ name: 'max', kind: 'person', roles: ['maintainer'] });
const eva = await api.actor({ name: 'eva', kind: 'person', roles: ['maintainer'] });
const ann = await api.actor({ name: 'ann', kind: 'person', roles: ['operator'] });

const filesOf = (
  flows: readonly ShortFlow[],
  frame: object = {},
  more: { path: string; text: string }[] = [],
) => ({
  files: [{ path: 'main.yaml', text: catalogueText(flows, { ...frame }) }, ...more],
});
const newest = async (): Promise<Json> => (await ann.get('/catalogue')).body;
const apply = (body: object) => max.post('/catalogue/apply', body);

/** Three flows and a schedule become the newest version, whatever was there. */
async function reset(): Promise<number> {
  const schedules = [{ id: 'monthly', cycle: 'month', at: '01:00' }];
  const body = filesOf([{ id: 'A' }, { id: 'B' }, { id: 'C', note: String(Math.random()) }], { schedules });
  const applied = await apply({ ...body, remove: true });
  expect(applied).toMatchObject({ status: 200 });
  return applied.body.version;
}
const monthly = { schedules: [{ id: 'monthly', cycle: 'month', at: '01:00' }] };

test('the first version has null for its base', async () => {
  expect(await apply({ ...filesOf([{ id: 'A' }]), baseVersion: 3 })).toMatchObject({
    status: 409,
    body: { code: 'catalogue_changed', facts: { baseVersion: 3, version: null } },
  });
  expect(await apply({ ...filesOf([{ id: 'A' }]), baseVersion: null })).toMatchObject({
    body: { version: 1 },
  });
  expect(await apply({ ...filesOf([{ id: 'A' }, { id: 'B' }]), baseVersion: null })).toMatchObject({
    status: 409,
    body: { code: 'catalogue_changed', facts: { baseVersion: null, version: 1, createdBy: 'max' } },
  });
});

test.each(['apply', 'import'])(
  'of many that %s at once from one version exactly one is stored',
  async (verb) => {
    const base = await reset();
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        (i % 2 === 0 ? max : eva).post(`/catalogue/${verb}`, {
          ...filesOf([{ id: 'A' }, { id: 'B' }, { id: 'C' }, { id: `N${i}` }], monthly),
          baseVersion: base,
        }),
      ),
    );
    const won = answers.filter(({ status }) => status === 200);
    expect(won).toHaveLength(1);
    expect(won[0]!.body).toMatchObject({ version: base + 1, created: true });
    for (const lost of answers.filter(({ status }) => status !== 200))
      expect(lost).toMatchObject({
        status: 409,
        body: { code: 'catalogue_changed', facts: { baseVersion: base, version: base + 1 } },
      });
    expect(await newest()).toMatchObject({ version: base + 1, flowCount: 4 });
  },
);

test('those that name no base are compared with what was the newest when they came: again only one is stored', async () => {
  const base = await reset();
  const answers = await Promise.all(
    Array.from({ length: 6 }, (_, i) =>
      apply(filesOf([{ id: 'A' }, { id: 'B' }, { id: 'C' }, { id: `M${i}` }], monthly)),
    ),
  );
  const stored = answers.filter(({ status }) => status === 200).length;
  // Who comes after the end of another one has seen its flow go, which must be said.
  for (const { status, body } of answers)
    expect(status === 200 || ['catalogue_changed', 'removes_flows'].includes(body.code)).toBe(true);
  expect(stored).toBe(1);
  expect((await newest()).version).toBe(base + 1);
});

test('the same request again, its answer lost, finds its own version', async () => {
  const base = await reset();
  const body = {
    ...filesOf([{ id: 'A' }, { id: 'B' }, { id: 'C' }, { id: 'D' }], monthly),
    baseVersion: base,
  };
  expect((await apply(body)).body).toMatchObject({ version: base + 1, created: true });
  expect((await apply(body)).body).toMatchObject({ version: base + 1, created: false });
});

test('a dry run from another version is refused as the real one would be', async () => {
  const base = await reset();
  const body = { ...filesOf([{ id: 'A' }]), baseVersion: base - 1, dryRun: true };
  expect(await apply(body)).toMatchObject({ status: 409, body: { code: 'catalogue_changed' } });
});

const definition = { owner: 'billing', layer: 'DWA', deadline: '+1 month, day 3, 10:00' };
const RENAMES: [string, { flows: ShortFlow[]; want: object[] }][] = [
  ['nothing is like it', { flows: [{ id: 'Something.Else', key: true }], want: [] }],
  [
    'an alias says so',
    { flows: [{ id: 'Something.Else', aliases: ['B'] }], want: [{ from: 'B', to: 'Something.Else' }] },
  ],
  [
    'the same definition',
    { flows: [{ id: 'Other.Id', ...definition }], want: [{ from: 'Load.Bill.M', to: 'Other.Id' }] },
  ],
  [
    'a similar id',
    { flows: [{ id: 'Load.Bils.M', key: true }], want: [{ from: 'Load.Bill.M', to: 'Load.Bils.M' }] },
  ],
];

test.each(RENAMES)(
  'a removed flow is perhaps an added one under another name: %s',
  async (_, { flows, want }) => {
    await reset();
    const before = filesOf([{ id: 'A' }, { id: 'B' }, { id: 'Load.Bill.M', ...definition }]);
    expect((await apply({ ...before, remove: true })).status).toBe(200);
    const body = filesOf([{ id: 'A' }, ...flows]);
    const refused = await apply(body);
    expect(refused).toMatchObject({ status: 409, body: { code: 'removes_flows' } });
    expect(refused.body.facts).toEqual({ flows: ['B', 'Load.Bill.M'], schedules: [], renamed: want });
    expect((await ann.post('/catalogue/diff', body)).body.renamed).toEqual(want);
  },
);

test('removals of flows and schedules are listed, all in the facts, and change nothing until they are meant', async () => {
  const base = await reset();
  const many = Array.from({ length: 300 }, (_, i) => ({ id: `F${i}` }));
  const kept = [{ id: 'A' }, { id: 'B' }, { id: 'C' }];
  expect((await apply({ ...filesOf([...kept, ...many], monthly), baseVersion: base })).status).toBe(200);
  const less = { ...filesOf([{ id: 'A' }]), baseVersion: base + 1 };
  const refused = await apply(less);
  expect(refused).toMatchObject({ status: 409, body: { code: 'removes_flows' } });
  expect(refused.body.facts.flows).toEqual(['B', 'C', ...many.map(({ id }) => id)]);
  expect(refused.body.facts.schedules).toEqual(['monthly']);
  expect(refused.body.detail.length).toBeLessThan(300);
  expect(refused.body.detail).toContain('302 flows: B, C, F0');
  expect(refused.body.detail).toContain('292 more');
  expect(refused.body.detail).toContain('1 schedule: monthly');
  expect((await newest()).version).toBe(base + 1);
  // A schedule alone is enough, and `import` is no way round.
  expect(await apply(filesOf([...kept, ...many]))).toMatchObject({
    status: 409,
    body: { code: 'removes_flows', facts: { flows: [], schedules: ['monthly'] } },
  });
  expect((await max.post('/catalogue/import', less)).body.code).toBe('removes_flows');
  expect((await apply({ ...less, dryRun: true })).body.diff.removed).toHaveLength(302);
  expect((await apply({ ...less, remove: true })).body).toMatchObject({ version: base + 2 });
  expect((await api.pool.query('select id from schedules where removed_ms is null')).rows).toEqual([]);
});

test('a rollback makes the files of an earlier version the newest one, byte for byte', async () => {
  await reset();
  const odd = [{ path: 'programs/x.sql', text: '-- 中文\r\n\tselect 1 ;\n\n' }];
  const connections = { connections: [{ id: 'yt', platform: 'yt' }] };
  const flows = [{ id: 'A' }, { id: 'X', program: { type: 'sql', file: 'x.sql' } }];
  const old = filesOf(flows, connections, odd);
  const { version } = (await apply({ ...old, remove: true })).body;
  const later = filesOf([...flows, { id: 'LATER' }], connections, [{ ...odd[0]!, text: 'select 2' }]);
  expect((await apply({ ...later, baseVersion: version })).body.version).toBe(version + 1);

  const back = (body: object) => max.post('/catalogue/rollback', { version, ...body });
  expect((await back({ dryRun: true })).body).toMatchObject({
    version: null,
    diff: { against: version + 1, removed: ['LATER'], programs: ['programs/x.sql'] },
  });
  expect(await back({})).toMatchObject({
    status: 409,
    body: { code: 'removes_flows', facts: { flows: ['LATER'] } },
  });
  expect(await back({ remove: true, baseVersion: version })).toMatchObject({
    body: { code: 'catalogue_changed' },
  });
  expect((await newest()).version).toBe(version + 1);
  const done = await back({ remove: true, baseVersion: version + 1, reason: 'the new one is wrong' });
  expect(done.body).toMatchObject({ version: version + 2, created: true });
  const [before, after] = [
    await ann.get(`/catalogue/export?version=${version}`),
    await ann.get('/catalogue/export'),
  ];
  expect(after.body).toEqual({ ...before.body, version: version + 2 });
  expect(after.body.files).toContainEqual(odd[0]);
  const audit = await api.pool.query(
    "select verb, targets, reason, detail->>'filesOf' as of from audit where verb = 'rollback-catalogue' and outcome = 'applied'",
  );
  expect(audit.rows).toEqual([
    {
      verb: 'rollback-catalogue',
      targets: [`version ${version + 2}`],
      reason: 'the new one is wrong',
      of: String(version),
    },
  ]);
  // It is the newest already.
  expect((await back({ remove: true })).body).toMatchObject({ version: version + 2, created: false });
});

test('a rollback to a version that today is wrong says every error and changes nothing', async () => {
  const base = await reset();
  // As an earlier release may have stored it.
  await api.pool.query(
    `insert into catalogue_versions (version, hash, mode, created_by, created_ms, files, frame, flows, flow_count)
     select version + 1, 'old', mode, created_by, created_ms, $2, frame, flows, flow_count from catalogue_versions where version = $1`,
    [base, JSON.stringify([{ path: 'a.yaml', text: 'flows:\n  - { id: OLD, oldField: 1 }\n' }])],
  );
  expect((await apply(filesOf([{ id: 'A' }, { id: 'B' }, { id: 'C' }], monthly))).status).toBe(200);
  const refused = await max.post('/catalogue/rollback', { version: base + 1, remove: true });
  expect(refused).toMatchObject({ status: 422, body: { code: 'catalogue_invalid' } });
  expect(refused.body.facts.problems).toContainEqual(
    expect.objectContaining({ code: 'unknown_field', file: 'a.yaml', line: 2 }),
  );
  expect((await newest()).version).toBe(base + 2);
});

test('only maintainers roll back, and to versions that there are', async () => {
  expect(await ann.post('/catalogue/rollback', { version: 1 })).toMatchObject({ status: 403 });
  expect((await max.post('/catalogue/rollback', { version: 999 })).body.code).toBe('unknown_version');
  expect((await max.post('/catalogue/rollback', { version: 0 })).body.code).toBe('invalid_request');
});

/** What changes, reruns and retirements touch: asked through the API and the command line, in both languages. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun, type ShortFlow } from '../support/estate.ts';
import { playAgent } from '../support/play.ts';
import { startCliEstate } from './estate.ts';

const { api, sluice, direct } = await startCliEstate(await createTestDatabase('cli_impact'));
const copy = {
  id: 'DIST',
  names: { en: 'copy', zh: '分发' },
  cycle: 'month',
  after: ['OLD'],
  platform: 'yt',
  from: { connection: 'yt', table: 'DWD.OLD' },
  to: { connection: 'mpp', table: 'APP.OLD' },
  columns: ['a'],
  periodColumn: 'p',
};
const frame = {
  connections: [
    { id: 'yt', platform: 'yt' },
    { id: 'mpp', platform: 'mpp' },
  ],
  pools: [{ id: 'etl', size: 4 }],
  procedures: [{ id: 'P1', names: { en: 'p', zh: 'p' }, owner: 'team-a', cycle: 'month' }],
  schedules: [{ id: 'monthly', cycle: 'month', at: '06:00', paused: true }],
  distributions: [copy],
};
const flows: ShortFlow[] = [
  { id: 'SRC', writes: ['ODS.SRC'] },
  {
    id: 'OLD',
    after: ['SRC'],
    reads: ['ods.src', 'ODS.NOBODY'],
    writes: ['DWD.OLD'],
    owner: 'ann',
    names: { en: 'Old \u001b[31mprogram', zh: '旧程序' },
    groups: ['top'],
    aliases: ['OLDER'],
    program: { type: 'sql', file: 'old.sql', connection: 'yt' },
  },
  { id: 'USER', after: ['OLD'], reads: ['DWD.OLD'], procedure: 'P1', uses: [{ pool: 'etl' }] },
  { id: 'KEY', after: ['USER'], key: true, deadline: '+1 month, day 1, 23:59' },
  { id: 'NEEDS', forcePassRequires: ['OLD'] },
];
const sql = { path: 'programs/old.sql', text: 'insert into dwd.old select s.a from ods.src s, dim.code' };
await applyCatalogue(api.pool, catalogueText(flows, frame), 'apply', [sql]);
const agent = await playAgent(api.pool, 'a1');

/** Agents do the named flows, one after the other. */
async function does(run: string, ...ids: string[]): Promise<void> {
  for (const id of ids) {
    await api.coordinator!.settled(run);
    const tasks = (await agent.claim()).filter((task) => task.run === run && task.flow === id);
    expect(tasks).toHaveLength(1);
    await agent.start(tasks);
    await agent.end(tasks, { rows: 17 });
  }
  await api.coordinator!.settled(run);
}
/** What the agent has taken on the way goes back. */
const giveBack = () =>
  api.pool.query('update outbox set claimed_epoch = null; delete from leases; delete from locks');

const done = await openTestRun(api.pool, '2001-01');
await does(done, 'SRC', 'OLD');
await giveBack();
const open = await openTestRun(api.pool, '2001-02');
await api.coordinator!.settled(open);

test('the sheet has program, tables with neighbours, upstream, everything below, last run and open runs', async () => {
  const { status, body } = await direct('viewer').get('/flows/OLD/retirement');
  expect(status).toBe(200);
  expect(body).toMatchObject({
    flow: 'OLD',
    version: 1,
    owner: 'ann',
    groups: ['top'],
    schedules: ['monthly'],
    clear: false,
    program: { type: 'sql', what: 'old.sql', connections: ['yt'] },
    reads: [
      { table: 'ods.src', writtenBy: ['SRC'] },
      { table: 'ODS.NOBODY', writtenBy: [] },
      // Nobody declared it: the program says so.
      { table: 'dim.code', writtenBy: [] },
    ],
    writes: [{ table: 'DWD.OLD', readBy: ['USER', 'DIST.export'] }],
    distributions: [{ distribution: 'DIST', to: { connection: 'mpp', table: 'APP.OLD' }, itself: false }],
    upstream: [{ flow: 'SRC', cycle: 'month', period: 'same', exists: true }],
    above: 1,
    dependents: [{ flow: 'USER', procedure: 'P1' }, { flow: 'DIST.export' }],
    requiredBy: ['NEEDS'],
    impact: {
      flows: 4,
      keyFlows: [{ flow: 'KEY', way: ['OLD', 'USER', 'KEY'] }],
      procedures: [{ owner: 'team-a' }],
    },
    lastRun: { run: done, outcome: 'succeeded', agent: 'a1', rows: 17 },
  });
  const { lastRun } = body;
  expect(lastRun.ms).toBe(lastRun.endedAt - lastRun.startedAt);
  // There it is done: it cannot be retired, and nobody waits for it any more.
  expect(body.openRuns).toEqual([
    {
      run: open,
      state: 'waiting_upstream',
      retirable: true,
      blocks: [
        { run: open, flow: 'DIST.export' },
        { run: open, flow: 'USER' },
      ],
    },
    { run: done, state: 'succeeded', retirable: false, blocks: [] },
  ]);
  // By a former name; and one that nobody knows.
  expect((await direct('viewer').get('/flows/OLDER/retirement')).body.flow).toBe('OLD');
  expect(await direct('viewer').get('/flows/OLDX/retirement')).toMatchObject({
    status: 404,
    body: { code: 'unknown_flow', facts: { flow: 'OLDX' } },
  });
});

test('who would be blocked is who is blocked once it is retired', async () => {
  const run = await openTestRun(api.pool, '2001-03');
  await api.coordinator!.settled(run);
  const sheet = (await direct('viewer').get('/flows/OLD/retirement')).body;
  const foreseen = sheet.openRuns.find((other: { run: string }) => other.run === run).blocks;
  expect(await direct('admin').post(`/runs/${run}/retire`, { flows: ['OLD'], reason: 'r' })).toMatchObject({
    status: 200,
  });
  const blocked: string[] = [];
  for (const { id } of (await direct('viewer').get(`/runs/${run}/flows`)).body.items) {
    const { blockers } = (await direct('viewer').get(`/runs/${run}/flows/${id}`)).body;
    if (blockers.some((blocker: { code: string }) => blocker.code === 'dependency_invalid')) blocked.push(id);
  }
  expect(foreseen.map((entry: { flow: string }) => entry.flow).sort()).toEqual(blocked.sort());
  await direct('admin').post(`/runs/${run}/close`, { reason: 'done with' });
});

test('nothing stands against a flow that nobody waits for', async () => {
  expect((await direct('viewer').get('/flows/NEEDS/retirement')).body).toMatchObject({
    clear: true,
    dependents: [],
    lastRun: null,
    impact: { flows: 0 },
  });
});

test.each([
  [
    'en',
    [
      'Retirement sheet  OLD',
      'flows that would wait for ever (2)',
      'written by: SRC',
      'key: KEY  (OLD -> USER -> KEY)',
      'Do not retire it yet',
    ],
  ],
  ['zh', ['下线核查单  OLD', '旧程序', '将永久等待的流程 (2)', '写入者: SRC', '存在下线障碍']],
] as const)('sluice flow retirement prints a page in %s', async (lang, want) => {
  const { exit, out } = await sluice(['flow', 'retirement', 'OLD', '--lang', lang]);
  expect(exit).toBe(0);
  for (const text of want) expect(out).toContain(text);
  expect(out).not.toContain('\u001b');
  const json = await sluice(['flow', 'retirement', 'OLD', '--json']);
  expect(json.json()).toEqual((await direct('viewer').get('/flows/OLD/retirement')).body);
});

test('sluice catalogue diff tells what a change touches', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-test-diff-'));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  const changed = flows
    .filter(({ id }) => id !== 'SRC')
    .map((flow) => (flow.id === 'OLD' ? { ...flow, after: [], owner: 'bob' } : flow));
  const yaml = catalogueText(changed, { ...frame, pools: [{ id: 'etl', size: 2 }] });
  await writeFile(join(folder, 'test.yaml'), yaml);
  await mkdir(join(folder, 'programs'));
  await writeFile(join(folder, sql.path), sql.text);
  const en = await sluice(['catalogue', 'diff', folder]);
  expect(en.err).toBe('');
  for (const text of [
    '- SRC',
    'owner: "ann" -> "bob"',
    '- SRC -> OLD',
    'size: 4 -> 2',
    'flows: 1  USER',
    'OLD  downstream: 4 flows, 1 key, 1 with a deadline  P1',
    'adopt would be refused: adopt_removes_started SRC',
    `${open}  catalogue 1  contains 2 of the changed flows`,
    'would be late by',
  ])
    expect(en.out).toContain(text);
  const zh = await sluice(['catalogue', 'diff', folder, '--lang', 'zh']);
  expect(zh.out).toContain('切换将被拒绝：adopt_removes_started SRC');
  expect(zh.out).toContain('后置 4 个流程，重点 1 个');
});

test('sluice rerun says what the plan costs before it is applied', async () => {
  const run = await openTestRun(api.pool, '2001-04');
  // The copy has been sent, too: it would be waited for, so it counts twice.
  await does(run, 'SRC', 'OLD', 'USER', 'KEY');
  const en = await sluice(['rerun', 'SRC', '--run', run]);
  for (const text of [
    'takes at least 5 min 00 s',
    'longest path: SRC -> OLD -> ',
    'key flow redone: KEY  (SRC -> OLD -> USER -> KEY)',
    'would be late by',
    'overwrites: DWD.OLD  yt  OLD',
    'not started yet, would run anyway (1): DIST.import',
  ])
    expect(en.out).toContain(text);
  const zh = await sluice(['rerun', 'SRC', '--run', run, '--lang', 'zh']);
  expect(zh.out).toContain('至少需');
  expect(zh.out).toContain('最长路径: SRC -> OLD -> ');
});

/** Fences of a warehouse on which others work, too, as people see them: `doctor`, `why`, agents of an older contract (protocol C6, C8). */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAgent } from '../../agent/agent.ts';
import { type ApiClient, createApiClient } from '../../agent/api-client.ts';
import { createPlatforms } from '../../agent/platforms.ts';
import type { Child } from '../../embedded/children.ts';
import { createActor } from '../../store/operations/actors.ts';
import { readRecordId } from '../../store/record/epochs.ts';
import { migrate } from '../../store/schema/migrate.ts';
import { createPool } from '../../store/schema/pool.ts';
import { commandLine } from '../cli/command-line.ts';
import { createEmptyDatabase, createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText } from '../support/estate.ts';
import { copyDatabase, startInstallation, type Worked } from '../support/installation.ts';
import { createInstallation } from '../support/processes.ts';

const [warehouse, own, other] = await Promise.all([
  createEmptyDatabase('fences_yt'),
  createTestDatabase('fences'),
  createEmptyDatabase('fences_other'),
]);
const db = new pg.Client(warehouse.url);
const spool = await mkdtemp(join(tmpdir(), 'sluice-fences-'));

/** Held by the test for as long as programs are to hold their fences. */
const GATE = 4_711;
const LOAD = {
  path: 'programs/Load.sql',
  text: `select pg_advisory_xact_lock_shared(${GATE});
delete from public.fee where period = :period;
insert into public.fee values (:period);`,
};
const catalogue = catalogueText([{ id: 'Load', program: { type: 'sql', file: 'Load.sql' } }], {
  connections: [{ id: 'yt', platform: 'yt' }],
});

/** As a backup has it: the same identity of the record, and nothing of what follows. */
const before = createPool(own.url, { max: 1, name: 'test' });
await applyCatalogue(before, catalogue, 'apply', [LOAD]);
await before.end();
const copyUrl = await copyDatabase(own.url, `${own.name}_copy`);

const installation = await createInstallation(own, { yt: warehouse.url });
const { call } = installation;
const pool = createPool(own.url, { max: 2, name: 'test' });
const ann = await createActor(pool, { name: 'ann', kind: 'person', roles: ['maintainer'] });
const sluice = commandLine({ apiUrl: installation.url, token: ann });
const copy = await startInstallation(copyUrl, warehouse.url);
// Migrated by itself: databases of tests share the identity of their template.
const theirs = createPool(other.url, { max: 1, name: 'test' });
await migrate(theirs);
await theirs.end();
const stranger = await startInstallation(other.url, warehouse.url);
await applyCatalogue(stranger.pool, catalogue, 'apply', [LOAD]);

// biome-ignore lint/suspicious/noExplicitAny: bodies of several routes, looked into by the tests
type Json = any;
let agent: Child;
const get = async (path: string): Promise<Json> => (await call('GET', path)).body;
const flowOf = (run: string): Promise<Json> => get(`/runs/${run}/flows/Load`);
const reaches = (run: string, state: string) =>
  expect.poll(async () => (await flowOf(run)).state).toBe(state);
async function open(period: string): Promise<string> {
  const opened = await call('POST', '/runs', { cycle: 'month', period });
  expect(opened).toMatchObject({ status: 202 });
  return opened.body.id;
}
const worked = (all: readonly Worked[]) => all.map(({ ending, accepted }) => [ending.outcome, accepted]);

beforeAll(async () => {
  await db.connect();
  await db.query('create table public.fee (period text)');
  await Promise.all([installation.startApi(), installation.startWorker()]);
  agent = await installation.startAgent('agent-1');
});
afterAll(async () => {
  // Programs that wait for the gate go on, and nothing stands between them and their ends.
  await db.end();
  await Promise.all([pool.end(), copy.close(), stranger.close()]);
  await rm(spool, { recursive: true, force: true });
});

/** What `doctor` says of the fences once a fresh agent, which looks at them when it begins, has told. */
async function lookedAt(works: RegExp): Promise<{ exit: number; fences: Json; text: string }> {
  await agent.stop();
  agent = await installation.startAgent('agent-1');
  let answer: Json;
  const fences = async (): Promise<Json> => {
    answer = await sluice(['doctor', '--json']);
    return answer.json().findings.find((json: Json) => json.check === 'fences');
  };
  await expect.poll(async () => (await fences()).detail).toMatch(works);
  const { out } = await sluice(['doctor']);
  return { exit: answer.exit, fences: await fences(), text: out };
}

test('doctor: every work on the platforms is one that the record knows', async () => {
  await reaches(await open('2026-08'), 'succeeded');
  const { exit, fences, text } = await lookedAt(/^1 /);
  expect(fences).toEqual({ check: 'fences', ok: true, detail: '1 works on the platforms, all known' });
  expect(text).toContain('✓ fences');
  expect(exit).toBe(0);
});

test('doctor: works of a copy of this record, and of another installation, are named with what to read', async () => {
  await copy.open('2026-09');
  expect(worked(await copy.work())).toEqual([['succeeded', true]]);
  await stranger.open('2026-10');
  expect(worked(await stranger.work())).toEqual([['succeeded', true]]);
  const record = await readRecordId(stranger.pool);
  const strange = `yt holds 1 works of another installation or of a lost database (${record})`;
  const ahead =
    'yt holds 2 works of this database that it does not know: the database was restored, or a copy of it is in use';

  const { exit, fences, text } = await lookedAt(/does not know.*another|another.*does not know/);
  expect(fences).toMatchObject({
    ok: false,
    remedy: 'sluice notices --kind foreign_effect; docs/operations.md, Restoring the record',
  });
  expect(fences.detail.split('; ').sort()).toEqual([ahead, strange].sort());
  expect(text).toContain('✗ fences');
  expect(exit).toBe(6);
  const { out } = await sluice(['doctor', '--lang', 'zh']);
  expect(out).toContain('yt 上有本记录库未知的作业');
  expect(out).toContain(`yt 上有另一套系统或已丢失记录库（${record}）的 1 项作业`);
});

test('why: the fence of the work is held by a session of another installation, which is named and waited for', async () => {
  await db.query('select pg_advisory_lock($1)', [GATE]);
  await stranger.open('2026-11');
  const working = stranger.work();
  const holders = async () => {
    const { rows } = await db.query<{ pid: number; name: string }>(
      `select pid, application_name as name from pg_stat_activity
       where wait_event = 'advisory' and datname = current_database()`,
    );
    return rows;
  };
  await expect.poll(async () => (await holders()).length).toBe(1);
  const [holder] = await holders();

  const run = await open('2026-11');
  const why = async () => (await get(`/runs/${run}/flows/Load/why`)).causes;
  await expect
    .poll(why)
    .toMatchObject([
      { flow: 'Load', code: 'fence_held_elsewhere', by: expect.stringContaining(holder!.name) },
    ]);
  const [{ by, remedy }] = await why();
  expect(by).toMatch(
    new RegExp(`^sluice e\\d+ [0-9a-f]{16} 202611 Load \\(backend ${holder!.pid}, role \\w+\\)$`),
  );
  expect(remedy.otherwise).toEqual(['cancel']);
  const shown = await flowOf(run);
  expect(shown).toMatchObject({ state: 'running', agent: 'agent-1' });
  expect(shown.blockers).toContainEqual({
    code: 'fence_held_elsewhere',
    detail: `the fence of its work is held by ${by}`,
  });
  const said = async (lang: string) =>
    (await sluice(['why', 'Load', '--run', run, '--lang', lang])).out.replaceAll(/\s+/g, ' ');
  expect(await said('en')).toContain(`for the fence of its work, which is held by ${by}`);
  expect(await said('zh')).toContain(`同一作业被占用：${by}`);

  await db.query('select pg_advisory_unlock($1)', [GATE]);
  expect(worked(await working)).toEqual([['succeeded', true]]);
  await reaches(run, 'succeeded');
  expect(await why()).toMatchObject([{ code: 'already_ran' }]);
  expect((await db.query("select 1 from public.fee where period = '202611'")).rowCount).toBe(1);
  const { items } = await get(`/notices?run=${run}&kind=foreign_effect`);
  expect(items).toMatchObject([{ flow: 'Load' }]);
});

/** As an agent from before there were works: its hello does not say which contract it speaks. */
const ofBefore = (client: ApiClient): ApiClient => ({
  ...client,
  callUntilAnswered(operation, body, ...rest) {
    const { protocol: _protocol, ...said } = JSON.parse(body);
    return client.callUntilAnswered(operation, JSON.stringify(said), ...rest);
  },
});

test('an agent whose fences have another key is refused with agent_too_old, and ends', async () => {
  const token = await createActor(pool, { name: 'old-1', kind: 'agent' });
  const old = createAgent({
    client: ofBefore(createApiClient({ apiUrl: installation.url, agent: 'old-1', token })),
    platforms: createPlatforms({
      agentName: 'old-1',
      platform: 'yt',
      connections: { yt: warehouse.url },
      spool,
      cwd: spool,
      environment: {},
      containment: { level: 'marks' },
      graceMs: 200,
    }),
    spool,
    lockToken: '0123456789abcdef',
    platform: 'yt',
    slots: 4,
    labels: [],
    version: '0.9',
    logger: { info() {}, warn() {}, error() {} },
    drainMs: 0,
    endPrograms: true,
  });
  await expect(old.run()).rejects.toMatchObject({
    code: 'agent_refused',
    message: 'the agent old-1 is of 0.9 (contract 1); this API needs contract 2',
    facts: { status: 409, code: 'agent_too_old' },
  });
  expect((await get('/agents')).items.map((json: Json) => json.name)).toEqual(['agent-1']);
});

test('an agent that the API was upgraded beside takes nothing more, and may report what it runs', async () => {
  await agent.stop();
  const token = await createActor(pool, { name: 'old-2', kind: 'agent' });
  const instance = randomUUID();
  const say = (operation: string, body: object, more: Record<string, string> = {}) =>
    call(
      'POST',
      `/agents/old-2/${operation}`,
      { instance, ...body },
      { authorization: `Bearer ${token}`, ...more },
    );
  const hello = { lockToken: randomUUID(), platform: 'yt', slots: 4, version: '0.9' };
  const claim = { platform: 'yt', free: 4, waitMs: 20_000 };
  expect(await say('hello', { ...hello, protocol: 2 })).toMatchObject({ status: 200 });
  const run = await open('2026-12');
  const claimed = await say('claim', { claimId: randomUUID(), ...claim });
  const { lease } = claimed.body.tasks[0];
  await say('started', { requestId: randomUUID(), leases: [{ epoch: lease.epoch }] });
  // What the record holds of an agent that said hello to the API of before.
  await pool.query("update agents set protocol = 1 where name = 'old-2'");

  expect(await say('claim', { claimId: randomUUID(), ...claim })).toMatchObject({
    status: 409,
    body: { code: 'agent_name_taken' },
  });
  const refused = await say('hello', { ...hello, held: [lease.epoch] }, { 'accept-language': 'zh' });
  expect(refused).toMatchObject({
    status: 409,
    body: {
      code: 'agent_too_old',
      title: '代理版本低于 API',
      remedy: expect.stringContaining('以与 API 相同的版本重新启动'),
      facts: { agent: 'old-2', version: '0.9', protocol: 1, needed: 2 },
    },
  });
  const results = [{ ...lease, ending: { outcome: 'succeeded', rows: 1 } }];
  expect((await say('complete', { requestId: randomUUID(), results })).body.accepted).toEqual([lease.epoch]);
  await reaches(run, 'succeeded');
});

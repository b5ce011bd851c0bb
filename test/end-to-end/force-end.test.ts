/** `cancel --force-end` on real processes: a program leaves a process that its agent may not end, and a person decides (protocol C5, C7). */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, linkSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { projectFolder } from '../../config.ts';
import { createActor } from '../../store/operations/actors.ts';
import { createPool } from '../../store/schema/pool.ts';
import { commandLine, type Ran } from '../cli/command-line.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText } from '../support/estate.ts';
import { createInstallation } from '../support/processes.ts';

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
const database = await createTestDatabase('force_end');
const pool = createPool(database.url, { max: 2, name: 'test' });
const installation = await createInstallation(database);
const { call } = installation;
const folder = mkdtempSync(join(tmpdir(), 'sluice-force-end-'));
chmodSync(folder, 0o777);
const FLOWS = ['Cancelled', 'Superseded', 'Awaited', 'Passed'] as const;
type FlowName = (typeof FLOWS)[number];
/** Seconds that nothing else sleeps. */
const tokenOf = (flow: FlowName): string => `9${process.pid}.${FLOWS.indexOf(flow) + 1}`;
let agent: ChildProcess | undefined;
let sluice: (...args: string[]) => Promise<Ran>;

interface Sleeper {
  readonly pid: number;
  readonly uid: number;
}

/** Living processes `sleep TOKEN`. */
function sleepers(flow: FlowName): Sleeper[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      if (readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== `sleep\0${tokenOf(flow)}\0`) return [];
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      return /^State:\s+[ZX]/m.test(status)
        ? []
        : [{ pid: Number(pid), uid: Number(/^Uid:\s+(\d+)/m.exec(status)![1]) }];
    } catch {
      return [];
    }
  });
}
const endSurvivors = (flow: FlowName): void => {
  for (const { pid } of sleepers(flow)) process.kill(pid, 'SIGKILL');
};

const setpriv = (): string =>
  spawnSync('sh', ['-c', 'command -v setpriv'], { encoding: 'utf8' }).stdout.trim();

/** An agent of another user: what its programs do as root it may not end. */
async function startAgentOfNobody(name: string): Promise<ChildProcess> {
  const own = join(folder, 'node');
  // The Node of this user may be out of the other one's reach.
  try {
    linkSync(process.execPath, own);
  } catch {
    copyFileSync(process.execPath, own);
  }
  const home = mkdtempSync(join(folder, 'home-'));
  chmodSync(home, 0o777);
  const actor = await createActor(pool, { name, kind: 'agent' });
  const user = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
  const child = spawn(setpriv(), [...user, own, join(projectFolder, 'agent/main.ts')], {
    env: {
      PATH: process.env.PATH,
      SLUICE_HOME: home,
      SLUICE_API_URL: installation.url,
      SLUICE_TOKEN: actor,
      SLUICE_AGENT_NAME: name,
      SLUICE_AGENT_PLATFORM: 'yt',
      SLUICE_AGENT_SLOTS: '4',
      SLUICE_AGENT_CONTAINMENT: 'marks',
      SLUICE_LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  await once(child, 'message');
  return child;
}

/** Leaves a process of root and goes on, the first time; then it has nothing to do. */
function program(id: FlowName, rooted: string) {
  const script = `[ -e ${folder}/${id} ] && exit 0; : > ${folder}/${id}
${rooted} --reuid=0 --regid=0 --clear-groups setsid sleep ${tokenOf(id)} & sleep ${tokenOf(id)}`;
  return { id, trigger: 'manual', program: { type: 'shell', command: ['sh', '-c', script] } };
}

beforeAll(async () => {
  if (!isRoot) return;
  const rooted = join(folder, 'rooted');
  copyFileSync(setpriv(), rooted);
  chmodSync(rooted, 0o4755);
  await applyCatalogue(
    pool,
    catalogueText([
      ...FLOWS.map((id) => program(id, rooted)),
      ...['Marker1', 'Marker2'].map((id) => ({ id, trigger: 'manual' })),
    ]),
  );
  await Promise.all([installation.startApi(), installation.startWorker()]);
  agent = await startAgentOfNobody('nobody-1');
  const ann = await createActor(pool, { name: 'ann', kind: 'person', roles: ['maintainer', 'key'] });
  const line = commandLine({ apiUrl: installation.url, token: ann });
  sluice = (...args) => line([...args, '--json']);
});
afterAll(async () => {
  FLOWS.forEach(endSurvivors);
  if (agent?.exitCode === null) {
    agent.kill('SIGTERM');
    await once(agent, 'exit');
  }
  await pool.end();
  rmSync(folder, { recursive: true, force: true });
});

// biome-ignore lint/suspicious/noExplicitAny: bodies of several routes, looked into by the tests
type Json = any;
const get = async (path: string): Promise<Json> => (await call('GET', path)).body;
const run = 'month-2026-10';
const flowOf = (flow: string): Promise<Json> => get(`/runs/${run}/flows/${flow}`);
const attemptsOf = async (flow: string): Promise<Json[]> => (await flowOf(flow)).attempts;
const reaches = (flow: string, state: string) =>
  expect.poll(async () => (await flowOf(flow)).state).toBe(state);
const asAnn = async (verb: string, flow: string, ...more: string[]): Promise<Json> => {
  const ran = await sluice(verb, flow, '--run', run, ...more);
  expect(ran, ran.err).toMatchObject({ exit: 0 });
  return ran.json();
};

/** Begins the flow and waits until it has left its process of root. */
async function begin(flow: FlowName): Promise<number> {
  await asAnn('trigger', flow);
  const users = () => sleepers(flow).map(({ uid }) => uid);
  await expect.poll(() => users().sort()).toEqual([0, NOBODY]);
  return sleepers(flow).find(({ uid }) => uid === 0)!.pid;
}

/** `why` names what lives, and `flow show` does. */
async function survivesAs(flow: FlowName, pid: number): Promise<void> {
  const named = `${pid} (sleep, state S)`;
  await expect
    .poll(async () => (await get(`/runs/${run}/flows/${flow}/why`)).causes)
    .toMatchObject([
      {
        code: 'processes_survive',
        by: named,
        remedy: { command: `sluice cancel ${flow} --run ${run} --force-end --reason "..."` },
      },
    ]);
  expect((await flowOf(flow)).blockers).toContainEqual({
    code: 'processes_survive',
    detail: `these processes of its program cannot be ended: ${named}`,
  });
  expect(sleepers(flow)).toEqual([{ pid, uid: 0 }]);
}

/** While it lives nothing else begins, though the agent has room: it carries out what is triggered after. */
async function noneBeginsBeside(flow: string, marker: string): Promise<void> {
  await asAnn('trigger', marker);
  await reaches(marker, 'succeeded');
  expect(await attemptsOf(flow)).toMatchObject([{ n: 1, outcome: null, endedAt: null }]);
}

/** The attempt has ended, by a person's word; the process lives, and the audit says whose word it was and why. */
async function endedByWord(flow: FlowName, pid: number, operation: Json, reason: string): Promise<void> {
  await expect
    .poll(async () => (await attemptsOf(flow)).find((entry) => entry.n === 1).outcome)
    .toBe('cancelled');
  expect((await attemptsOf(flow)).find((entry) => entry.n === 1).message).toMatch(
    new RegExp(`^ended by force, as a person decided; .*: ${pid} \\(sleep`),
  );
  expect(sleepers(flow)).toEqual([{ pid, uid: 0 }]);
  expect(operation).toMatchObject({ verb: 'cancel', actor: 'ann', request: { forceEnd: true, reason } });
  const { items } = await get(`/audit?run=${run}&verb=cancel&target=${flow}`);
  expect(items[0]).toMatchObject({
    actor: 'ann',
    verb: 'cancel',
    run,
    operation: operation.id,
    targets: [flow],
    reason,
    outcome: 'applied',
    code: null,
  });
}

describe.skipIf(!isRoot)('an attempt with a process that its agent may not end', () => {
  beforeAll(async () => {
    expect(await call('POST', '/runs', { cycle: 'month', period: '2026-10' })).toMatchObject({ status: 202 });
  });

  test('is cancelled, and ends when a person says so; the next attempt begins after that only', async () => {
    const pid = await begin('Cancelled');
    await asAnn('cancel', 'Cancelled', '--reason', 'wrong month');
    await survivesAs('Cancelled', pid);
    await noneBeginsBeside('Cancelled', 'Marker1');
    expect(await flowOf('Cancelled')).toMatchObject({ state: 'running', flags: ['stopping'] });

    const reason = 'the disk it waits for is gone';
    const operation = await asAnn('cancel', 'Cancelled', '--force-end', '--reason', reason);
    await reaches('Cancelled', 'cancelled');
    await endedByWord('Cancelled', pid, operation, reason);
    await asAnn('rerun', 'Cancelled', '--apply', '--reason', 'once more');
    await reaches('Cancelled', 'succeeded');
    expect(await attemptsOf('Cancelled')).toHaveLength(2);
    expect(sleepers('Cancelled')).toEqual([{ pid, uid: 0 }]);
  });

  test('is superseded by a rerun, which waits for it until a person says that it ends', async () => {
    const pid = await begin('Superseded');
    await asAnn('rerun', 'Superseded', '--running', 'supersede', '--apply', '--reason', 'source corrected');
    await survivesAs('Superseded', pid);
    await noneBeginsBeside('Superseded', 'Marker2');

    const reason = 'it only reads';
    const operation = await asAnn('cancel', 'Superseded', '--force-end', '--reason', reason);
    await endedByWord('Superseded', pid, operation, reason);
    await reaches('Superseded', 'succeeded');
    expect(await attemptsOf('Superseded')).toHaveLength(2);
  });

  test('is awaited by a rerun, and ends when a person says so', async () => {
    const pid = await begin('Awaited');
    await asAnn('cancel', 'Awaited', '--reason', 'wrong month');
    await survivesAs('Awaited', pid);
    await asAnn('rerun', 'Awaited', '--apply', '--reason', 'source corrected');
    expect(await flowOf('Awaited')).toMatchObject({ state: 'running', generation: 1 });

    const reason = 'nobody needs it';
    const operation = await asAnn('cancel', 'Awaited', '--force-end', '--reason', reason);
    await endedByWord('Awaited', pid, operation, reason);
    await reaches('Awaited', 'succeeded');
  });

  test('of a flow that was force-passed gives its slot back when a person says so', async () => {
    const pid = await begin('Passed');
    const why = ['--reason', 'it was loaded by hand', '--evidence', 'row counts'];
    await asAnn('force-pass', 'Passed', '--supersede', ...why);
    const blockers = async () => (await flowOf('Passed')).blockers.map((json: Json) => json.code);
    await expect.poll(blockers).toContain('processes_survive');

    const reason = 'the result is there';
    const operation = await asAnn('cancel', 'Passed', '--force-end', '--reason', reason);
    await endedByWord('Passed', pid, operation, reason);
    // The record has the attempt's end before the run has taken note of it.
    await expect.poll(async () => (await flowOf('Passed')).flags).not.toContain('ending');
    expect((await flowOf('Passed')).state).toBe('force_passed');
    const { items } = await get('/agents');
    expect(items.map((json: Json) => [json.name, json.used])).toEqual([['nobody-1', 0]]);
  });
});

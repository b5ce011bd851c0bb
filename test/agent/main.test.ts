import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ProgramSpec } from '../../contract/agent.ts';
import { processIdentity } from '../../platforms/shell/process-identity.mjs';
import { sqlSpec, taskOf } from '../platforms/task.ts';
import { createEmptyDatabase } from '../support/database.ts';
import { FakeApi } from './fake-api.ts';

const { url } = await createEmptyDatabase('yt');
let api: FakeApi;
let home: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'sluice-home-'));
  api = new FakeApi();
  await api.start();
});
afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => end(child, 'SIGKILL')));
  await api.end();
  rmSync(home, { recursive: true, force: true });
});

function start(channel: 'ipc' | 'ignore' = 'ignore'): ChildProcess {
  const child = spawn(process.execPath, [join(import.meta.dirname, '../../agent/main.ts')], {
    env: {
      PATH: process.env.PATH,
      SLUICE_HOME: home,
      SLUICE_API_URL: api.url,
      SLUICE_TOKEN: 'a-token-for-this-test',
      SLUICE_AGENT_NAME: 'yt-1',
      SLUICE_AGENT_PLATFORM: 'yt',
      SLUICE_CONNECTIONS: JSON.stringify({ yt: url }),
      SLUICE_LOG_LEVEL: 'error',
    },
    stdio: ['ignore', 'inherit', 'inherit', channel],
  });
  children.push(child);
  return child;
}
async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill(signal);
    await once(child, 'exit');
  }
  return child.exitCode;
}
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
/** Says its process id, then waits until the file `gate` is there. */
const waiter = (): ProgramSpec => ({
  type: 'shell',
  command: [
    'sh',
    '-c',
    'echo $$; while [ ! -e "$1" ]; do sleep 0.02; done; echo end',
    'sh',
    join(home, 'gate'),
  ],
  env: {},
});

describe('the process of an agent', () => {
  it('runs SQL on its connection, shell programs and noops, and ends on SIGTERM', async () => {
    api.offer(
      taskOf(sqlSpec('create table t as select :period as period; select 1'), { epoch: 1 }),
      taskOf({ type: 'shell', command: ['echo', ':period'], env: {} }, { epoch: 2 }),
      taskOf({ type: 'noop', ms: 0, failTimes: 0 }, { epoch: 3 }),
    );
    const child = start();
    await until(() => api.results.length === 3);
    expect(api.results.map(({ ending }) => ending.outcome)).toEqual(['succeeded', 'succeeded', 'succeeded']);
    await until(() => api.logText(2) === '202610\n');
    expect(await end(child, 'SIGTERM')).toBe(0);
    expect(api.calls.at(-1)!.operation).toBe('leave');
  });

  it('killed while a shell program runs, finds its result when it is started again (protocol C5)', async () => {
    api.offer(taskOf(waiter(), { epoch: 5 }));
    const first = start();
    await until(() => api.logText(5) !== '');
    const program = Number(api.logText(5));
    await end(first, 'SIGKILL');
    expect(processIdentity(program)).toBeDefined();
    start();
    await until(() => api.of('hello').length === 2);
    expect(JSON.parse(api.of('hello')[1]!.body).held).toEqual([5]);
    expect(JSON.parse(api.of('hello')[1]!.body).lockToken).toBe(
      JSON.parse(api.of('hello')[0]!.body).lockToken,
    );
    writeFileSync(join(home, 'gate'), '');
    await until(() => api.result(5) !== undefined);
    expect(api.result(5)).toMatchObject({ epoch: 5, ending: { outcome: 'succeeded' } });
    await until(() => api.logText(5) === `${program}\nend\n`);
  });

  it('killed inside a fenced transaction leaves nothing: the server ends it, the next attempt has the one effect', async () => {
    const db = new pg.Client(url);
    await db.connect();
    await db.query('create table effects (n int)');
    const effect = (epoch: number, rest: string) =>
      taskOf(sqlSpec(`insert into effects values (1); ${rest}`), { epoch, program: 'Once', attempt: epoch });
    api.offer(effect(10, 'select pg_sleep(1000)'));
    const first = start();
    const sleeping = async () =>
      (
        await db.query(
          "select from pg_stat_activity where datname = current_database() and query like '%pg_sleep(1000)%' and pid <> pg_backend_pid()",
        )
      ).rowCount;
    while ((await sleeping()) === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await end(first, 'SIGKILL');
    api.offer(effect(11, 'select 1'));
    start();
    await until(() => api.result(11) !== undefined);
    expect(api.result(11)!.ending).toEqual({ outcome: 'succeeded', rows: 1 });
    expect((await db.query('select count(*)::int as n from effects')).rows[0].n).toBe(1);
    while ((await sleeping()) !== 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await db.end();
  });

  it('refuses to run beside another one of its name', async () => {
    const first = start();
    await until(() => api.of('claim').length === 1);
    const second = start();
    await once(second, 'exit');
    expect(second.exitCode).toBe(5);
    expect(first.exitCode).toBeNull();
  });

  it('says ready to its parent, and ends with its programs when the parent is gone', async () => {
    const child = start('ipc');
    expect((await once(child, 'message'))[0]).toEqual({ ready: true });
    api.offer(taskOf(waiter(), { epoch: 5 }));
    await until(() => api.logText(5) !== '');
    const program = Number(api.logText(5));
    child.disconnect();
    await once(child, 'exit');
    expect(processIdentity(program)).toBeUndefined();
    expect(api.result(5)!.ending).toMatchObject({ outcome: 'lost' });
  });

  it('does not start without a token and a platform', async () => {
    const child = spawn(process.execPath, [join(import.meta.dirname, '../../agent/main.ts')], {
      env: { PATH: process.env.PATH, SLUICE_HOME: home, SLUICE_LOG_LEVEL: 'silent' },
      stdio: 'ignore',
    });
    await once(child, 'exit');
    expect(child.exitCode).toBe(2);
  });
});

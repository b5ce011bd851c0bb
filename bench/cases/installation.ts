/** One installation for all cases: `npm start` in a folder that goes away, and the command line as processes of its own. */

import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { childEnvironment, projectFolder } from '../../config.ts';
import { freePort } from '../../embedded/ports.ts';
import { removeOutsideData } from '../../embedded/postgres-data.ts';
import type { Shutdown } from '../../embedded/shutdown.ts';
import type { Answered, CaseTools } from './case.ts';

const RESULTS = new Set([
  'succeeded',
  'failed',
  'cancelled',
  'skipped',
  'force_passed',
  'outcome_unknown',
  'retired',
]);
const LOOK_MS = 250;
/** The first start of an installation takes about 10 s on two cores; this is for a machine that is busy with other work. */
const START_MS = 180_000;

export interface CaseInstallation {
  /** What one case may use. */
  toolsFor(id: string): Promise<CaseTools>;
}

/** Starts the installation; `shutdown` stops it and removes the folder. Throws with the last lines of a start that fails. */
export async function startInstallation(shutdown: Shutdown): Promise<CaseInstallation> {
  const home = await mkdtemp(join(tmpdir(), 'sluice-cases-'));
  shutdown.add('home', async () => {
    await removeOutsideData(home);
    await rm(home, { recursive: true, force: true });
  });
  const port = await freePort();
  const environment = childEnvironment({
    SLUICE_HOME: home,
    SLUICE_PORT: String(port),
    SLUICE_API_URL: `http://127.0.0.1:${port}`,
  });
  const program = (path: string): string => join(projectFolder, path);
  const installation = spawn(process.execPath, [program('embedded/main.ts'), '--no-demo'], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: environment,
    cwd: projectFolder,
  });
  const exited = new Promise<void>((resolve) => installation.once('exit', () => resolve()));
  shutdown.add('installation', async () => {
    installation.kill('SIGTERM');
    await exited;
  });
  let said = '';
  installation.stderr?.on('data', (chunk: Buffer) => {
    said = `${said}${chunk.toString()}`.slice(-4_000);
  });
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no start within ${START_MS} ms:\n${said}`)), START_MS);
    installation.once('message', () => {
      clearTimeout(timer);
      resolve();
    });
    void exited.then(() => reject(new Error(`the installation ended:\n${said}`)));
  });
  const urls = JSON.parse(await readFile(join(home, 'platforms.json'), 'utf8')) as Record<string, string>;
  const warehouse = new pg.Pool({ connectionString: urls.yt, max: 4 });
  shutdown.add('warehouse', () => warehouse.end());
  await warehouse.query('create schema if not exists cases');

  const sluice = (...args: string[]): Promise<Answered> =>
    new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [program('cli/main.ts'), ...args], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: environment,
        cwd: projectFolder,
      });
      const [out, err]: [Buffer[], Buffer[]] = [[], []];
      child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
      child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
      child.once('error', reject);
      child.once('close', (code) =>
        resolve({
          code: code ?? 1,
          out: Buffer.concat(out).toString(),
          err: Buffer.concat(err).toString(),
        }),
      );
    });
  const json = async <T>(...args: string[]): Promise<T> => {
    const answer = await sluice(...args, '--json');
    if (answer.code !== 0) throw new Error(`sluice ${args.join(' ')}: ${answer.err}${answer.out}`);
    return JSON.parse(answer.out) as T;
  };

  /** Cases apply catalogues and open runs one after the other: a run belongs to the newest version. */
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work);
    turn = mine.catch(() => undefined);
    return mine;
  };

  return {
    async toolsFor(id) {
      const scratch = join(home, 'cases', id);
      await mkdir(scratch, { recursive: true });
      let folders = 0;
      const folder: CaseTools['folder'] = async (files) => {
        folders += 1;
        const place = join(scratch, `catalogue-${folders}`);
        for (const [name, content] of Object.entries(files)) {
          await mkdir(dirname(join(place, name)), { recursive: true });
          await writeFile(join(place, name), content);
        }
        return place;
      };
      const stateOf = async (run: string, flow: string): Promise<string> =>
        (await json<{ state: string }>('flow', 'show', flow, '--run', run)).state;
      const until: CaseTools['until'] = async (what, holds, withinMs = 60_000) => {
        const last = performance.now() + withinMs;
        while (!(await holds())) {
          if (performance.now() > last) throw new Error(`not within ${withinMs / 1000} s: ${what}`);
          await pause(LOOK_MS);
        }
      };
      return {
        sluice,
        json,
        folder,
        until,
        warehouse,
        scratch,
        async open(files, period) {
          const place = await folder(files);
          return inTurn(async () => {
            // Each case brings a catalogue of its own in the place of the one before.
            const applied = await sluice('catalogue', 'apply', place, '--remove', '--reason', `case ${id}`);
            if (applied.code !== 0) throw new Error(`apply: ${applied.err}${applied.out}`);
            const opened = await json<{ id: string }>('run', 'open', period);
            return opened.id;
          });
        },
        async resultOf(run, flow, withinMs = 90_000) {
          let state = '';
          const ended = async (): Promise<boolean> => {
            state = await stateOf(run, flow);
            return RESULTS.has(state);
          };
          await until(`${flow} of ${run} has a result`, ended, withinMs).catch(async (error: unknown) => {
            const why = await sluice('why', flow, '--run', run, '--sentence');
            throw new Error(`${String(error)}, it is ${state}: ${why.out.trim()}`);
          });
          return state;
        },
      };
    },
  };
}

import { type ChildProcess, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AttemptFolder } from '../../platforms/attempt-folder.ts';
import type { ProgramSpec } from '../../platforms/platform.ts';
import { processIdentity } from '../../platforms/process-identity.mjs';
import { createShellPlatform, type ShellOptions } from '../../platforms/shell.ts';
import { contextOf, type TaskWish, taskOf } from './task.ts';

let spool: string;
beforeEach(() => {
  spool = mkdtempSync(join(tmpdir(), 'sluice-spool-'));
});
afterEach(async () => {
  // Wrappers of killed tests must not outlive them.
  for (const epoch of existsSync(join(spool, 'attempts')) ? readdirSync(join(spool, 'attempts')) : []) {
    const folder = new AttemptFolder(spool, Number(epoch));
    folder.requestEnd('cancel');
    await until(() => folder.result() !== undefined || !isAlive(pidOf(folder, 'running.json')));
  }
  rmSync(spool, { recursive: true, force: true });
});

const wrapper = join(import.meta.dirname, '../../agent/wrapper.mjs');
const environment = { PATH: process.env.PATH ?? '/usr/bin:/bin' };
const platformOf = (more: Partial<ShellOptions> = {}) =>
  createShellPlatform({ spool, wrapper, environment, cwd: tmpdir(), graceMs: 300, ...more });
const shell = (...command: string[]): ProgramSpec => ({ type: 'shell', command, env: {} });
const sh = (script: string, ...rest: string[]) => shell('sh', '-c', script, 'sh', ...rest);
const run = async (
  spec: ProgramSpec,
  wish: TaskWish = {},
  context = contextOf(),
  more: Partial<ShellOptions> = {},
) => ({
  ending: await platformOf(more).execute(taskOf(spec, wish), context),
  log: context.text(),
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}
const isAlive = (pid: number | undefined) => pid !== undefined && processIdentity(pid) !== undefined;
function pidOf(folder: AttemptFolder, name: 'running.json' | 'program.json'): number | undefined {
  try {
    return JSON.parse(readFileSync(folder.file(name), 'utf8')).pid;
  } catch {
    return undefined;
  }
}

describe('a shell program', () => {
  it('succeeds with its output in the log', async () => {
    const { ending, log } = await run(sh('echo out; echo err >&2'));
    expect(ending).toEqual({ outcome: 'succeeded' });
    expect(log.split('\n').sort().join(' ').trim()).toBe('err out');
  });

  it.each([
    ['an exit code', sh('exit 3'), { kind: 'program', message: 'exit code 3', exitCode: 3 }],
    ['a signal', sh('kill -9 $$'), { kind: 'program', message: 'killed by SIGKILL' }],
    [
      'a command that does not exist',
      shell('no-such-command'),
      { kind: 'program', exitCode: 127, message: expect.stringContaining('ENOENT') },
    ],
    [
      'a parameter that is not given',
      shell('echo', ':nobody'),
      { kind: 'program', message: 'no parameter :nobody is given' },
    ],
    [
      'a parameter as text of a shell',
      shell('sh', '-c', ':period'),
      { kind: 'program', message: expect.stringContaining("program's text") },
    ],
  ])('fails with %s', async (_name, spec, want) => {
    expect((await run(spec)).ending).toMatchObject({ outcome: 'failed', ...want });
  });

  it('gets hostile parameter values byte for byte, by environment and as arguments', async () => {
    const values = [
      '$(touch x)',
      '`id`',
      "'; exit 9; '",
      '"',
      '\\',
      '国\u0301\u{20000}',
      'a\nb\tc\r',
      '*',
      '-rf',
      ' ',
      '',
    ];
    for (const [index, value] of values.entries()) {
      const script =
        'printf %s "$1" | od -An -v -tx1; printf %s "$SLUICE_PARAM_value" | od -An -v -tx1; echo $SLUICE_PERIOD $SLUICE_EPOCH';
      const { ending, log } = await run(sh(script, ':value'), { parameters: { value }, epoch: index + 1 });
      const hex = Buffer.from(value).toString('hex');
      expect(ending).toEqual({ outcome: 'succeeded' });
      expect(log.replaceAll(/[ \n]/g, '')).toBe(`${hex}${hex}202610${index + 1}`);
    }
  });

  it('sees nothing of the environment but what it is given', async () => {
    const { log } = await run({ type: 'shell', command: ['env'], env: { REGION: 'east' } });
    const names = log
      .trim()
      .split('\n')
      .map((line) => line.split('=')[0]);
    expect(names.sort()).toEqual(
      [
        'PATH',
        'REGION',
        'SLUICE_ATTEMPT',
        'SLUICE_EPOCH',
        'SLUICE_FLOW',
        'SLUICE_GENERATION',
        'SLUICE_PARAM_generation',
        'SLUICE_PARAM_period',
        'SLUICE_PARAM_run',
        'SLUICE_PERIOD',
        'SLUICE_RUN',
        'SLUICE_TIME_ZONE',
        'TZ',
      ].sort(),
    );
  });

  it('has the zone of its task, unless the flow names another', async () => {
    const command = ['sh', '-c', 'echo $TZ $SLUICE_TIME_ZONE'];
    const of = async (epoch: number, env: Record<string, string>) =>
      (await run({ type: 'shell', command, env }, { epoch, timeZone: 'Europe/Berlin' })).log.trim();
    expect(await of(1, {})).toBe('Europe/Berlin Europe/Berlin');
    expect(await of(2, { TZ: 'UTC' })).toBe('UTC Europe/Berlin');
  });

  it('is ended by its timeout, group and all', async () => {
    const { ending } = await run(sh('sleep 1000 & sleep 1000'), { timeoutMs: 300 });
    expect(ending).toEqual({ outcome: 'failed', kind: 'timeout', message: 'no end within 300 ms' });
  });

  it('is killed on cancel when it ignores the request', async () => {
    const context = contextOf();
    const running = run(sh("trap '' TERM; echo ready; while :; do sleep 0.05; done"), {}, context);
    await until(() => context.text().includes('ready'));
    const program = pidOf(new AttemptFolder(spool, 1), 'program.json');
    context.controller.abort('cancel');
    expect((await running).ending).toEqual({ outcome: 'cancelled', effect: null });
    expect(isAlive(program)).toBe(false);
  });

  it('takes what it left running in its group with it', async () => {
    const { ending, log } = await run(sh('sleep 1000 & echo $!'));
    expect(ending).toEqual({ outcome: 'succeeded' });
    expect(isAlive(Number(log.split('\n')[0]))).toBe(false);
    expect(log).toContain('left processes behind');
  });

  it('is not held by a process that left its group with the output open', async () => {
    const { ending, log } = await run(sh('setsid sleep 1000 & echo $!'));
    expect(ending).toEqual({ outcome: 'succeeded' });
    process.kill(Number(log.split('\n')[0]), 'SIGKILL');
  });

  it('is an infrastructure failure at once when its wrapper cannot run', async () => {
    const { ending } = await run(sh('true'), {}, contextOf(), { wrapper: join(spool, 'nowhere.mjs') });
    expect(ending).toMatchObject({ outcome: 'failed', kind: 'infrastructure' });
  });

  it('keeps head and tail of a long output', async () => {
    const { log } = await run(
      sh('i=0; while [ $i -lt 2000 ]; do echo line$i; i=$((i+1)); done'),
      {},
      contextOf(),
      {
        headBytes: 100,
        tailBytes: 100,
      },
    );
    expect(log).toMatch(/^line0\nline1\n[\s\S]*\n-- \d+ bytes left out --\n[\s\S]*line1998\nline1999\n$/);
    expect(log.length).toBeLessThan(300);
  });

  it('shows its output while it runs', async () => {
    const context = contextOf();
    const running = run(
      sh('echo first; while [ ! -e "$1" ]; do sleep 0.02; done', ':gate'),
      { parameters: { gate: join(spool, 'gate') } },
      context,
    );
    await until(() => context.text() === 'first\n');
    writeFileSync(join(spool, 'gate'), '');
    expect((await running).ending).toEqual({ outcome: 'succeeded' });
  });

  it('is ended orphanMs after the last contact, and not before (protocol C5)', async () => {
    const platform = platformOf();
    const context = contextOf();
    const ending = platform.execute(taskOf(sh('echo ready; sleep 1000'), { orphanMs: 1_000 }), context);
    const touching = setInterval(() => platform.touch([1]), 100);
    await until(() => context.text().includes('ready'));
    const program = pidOf(new AttemptFolder(spool, 1), 'program.json');
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect(isAlive(program)).toBe(true);
    clearInterval(touching);
    expect(await ending).toEqual({ outcome: 'lost', message: expect.stringContaining('no contact') });
    expect(isAlive(program)).toBe(false);
  });

  it('is ended, and its outcome unknown, when its wrapper is killed', async () => {
    const context = contextOf();
    const running = run(sh('echo ready; sleep 1000'), {}, context);
    await until(() => context.text().includes('ready'));
    const folder = new AttemptFolder(spool, 1);
    const program = pidOf(folder, 'program.json');
    process.kill(pidOf(folder, 'running.json')!, 'SIGKILL');
    expect((await running).ending).toMatchObject({ outcome: 'lost' });
    await until(() => !isAlive(program));
  });
});

describe('a shell program whose agent is killed (protocol C5)', () => {
  /** An agent of its own process that launches the program and can be killed. */
  function launcher(script: string, wish: TaskWish = {}): ChildProcess {
    const module = join(import.meta.dirname, '../../platforms/shell.ts');
    const code = `
      const { createShellPlatform } = await import(${JSON.stringify(module)});
      const platform = createShellPlatform(${JSON.stringify({ spool, wrapper, environment, cwd: tmpdir() })});
      await platform.execute(${JSON.stringify(taskOf(sh(script), wish))}, { signal: new AbortController().signal, log() {} });`;
    return spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'ignore' });
  }
  async function kill(child: ChildProcess): Promise<void> {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  it('goes on, and the next agent finds its result and its whole log', async () => {
    const folder = new AttemptFolder(spool, 5);
    const gate = join(spool, 'gate');
    const child = launcher(`echo before; while [ ! -e ${gate} ]; do sleep 0.02; done; echo after; exit 4`, {
      epoch: 5,
    });
    await until(() => isAlive(pidOf(folder, 'program.json')));
    await kill(child);
    writeFileSync(gate, '');
    await until(() => folder.result() !== undefined);

    const next = platformOf();
    const [found] = next.found();
    expect(found!.lease).toMatchObject({ epoch: 5, run: 'month-2026-10' });
    const context = contextOf();
    expect(await next.adopt(found!, context)).toMatchObject({ outcome: 'failed', exitCode: 4 });
    expect(context.text()).toBe('before\nafter\n');
    next.clear(5);
    expect(next.found()).toEqual([]);
  });

  it('can still be cancelled by the next agent', async () => {
    const folder = new AttemptFolder(spool, 5);
    const child = launcher('sleep 1000', { epoch: 5 });
    await until(() => isAlive(pidOf(folder, 'program.json')));
    await kill(child);
    const next = platformOf();
    const context = contextOf();
    const ending = next.adopt(next.found()[0]!, context);
    context.controller.abort('cancel');
    expect(await ending).toEqual({ outcome: 'cancelled', effect: null });
  });

  it('runs and leaves its result when the disk is too full to note its process', async () => {
    const folder = new AttemptFolder(spool, 5);
    const command = ['sh', '-c', 'echo done; sleep 0.5'];
    folder.create(taskOf(shell(...command), { epoch: 5 }), {
      ...{ command, cwd: spool, env: environment, timeoutMs: null, orphanMs: 60_000, graceMs: 1 },
      ...{ headBytes: 100, tailBytes: 100 },
    });
    // Nothing can be written under that name, as on a full disk.
    mkdirSync(folder.file('program.json'));
    const alone = spawn(process.execPath, [wrapper, folder.path], { stdio: 'ignore' });
    await until(() => isAlive(pidOf(folder, 'running.json')));
    rmSync(folder.file('program.json'), { recursive: true });
    // There is room again before the program ends: then it is noted.
    await until(() => pidOf(folder, 'program.json') !== undefined);
    await new Promise((resolve) => alone.once('exit', resolve));
    expect(folder.result()).toMatchObject({ exitCode: 0, cause: null });
    expect(readFileSync(folder.file('log'), 'utf8')).toBe('done\n');
  });

  it('is never begun by a wrapper that comes after the next agent gave it up', async () => {
    const task = taskOf(sh(`touch ${join(spool, 'effect')}`), { epoch: 5 });
    const folder = new AttemptFolder(spool, 5);
    const launch = {
      command: ['touch', join(spool, 'effect')],
      cwd: spool,
      env: environment,
      timeoutMs: null,
      orphanMs: 1_000,
      graceMs: 1,
      headBytes: 1,
      tailBytes: 1,
    };
    folder.create(task, launch);
    const next = platformOf();
    expect(await next.adopt(next.found()[0]!, contextOf())).toMatchObject({
      outcome: 'failed',
      kind: 'infrastructure',
    });
    const late = spawn(process.execPath, [wrapper, folder.path], { stdio: 'ignore' });
    await new Promise((resolve) => late.once('exit', resolve));
    expect(existsSync(join(spool, 'effect'))).toBe(false);
  });
});

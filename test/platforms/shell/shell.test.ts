import { type ChildProcess, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { containmentFor } from '../../../agent/containment-level.ts';
import { livingWith } from '../../../agent/keeper/process-table.ts';
import type { ProgramSpec } from '../../../contract/agent.ts';
import { AttemptFolder, endedOf, spooledEpochs } from '../../../platforms/shell/attempt-folder.ts';
import { processIdentity } from '../../../platforms/shell/process-identity.mjs';
import {
  createShellPlatform,
  type ShellOptions,
  type ShellPlatform,
} from '../../../platforms/shell/shell.ts';
import { contextOf, type TaskOptions, taskOf } from '../task.ts';

let spool: string;
const opened: ShellPlatform[] = [];
beforeEach(() => {
  spool = mkdtempSync(join(tmpdir(), 'sluice-spool-'));
});
afterEach(async () => {
  // Programs of failed tests must not outlive them.
  for (const epoch of spooledEpochs(spool)) new AttemptFolder(spool, epoch).requestEnd('cancel');
  await until(() => spooledEpochs(spool).every((epoch) => isOver(epoch) || shimOf(epoch) === undefined));
  for (const platform of opened.splice(0)) platform.close();
  // The keeper ends meanwhile, and still has a file to make or to remove.
  rmSync(spool, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
});

const keeper = join(import.meta.dirname, '../../../agent/keeper/main.ts');
const containment = containmentFor('auto', join(tmpdir(), 'sluice-shell-test'));
const environment = { PATH: process.env.PATH ?? '/usr/bin:/bin' };
const platformOf = (more: Partial<ShellOptions> = {}) => {
  const options = { spool, keeper, containment, environment, cwd: tmpdir(), graceMs: 300, ...more };
  const platform = createShellPlatform(options);
  opened.push(platform);
  return platform;
};
const shell = (...command: string[]): ProgramSpec => ({ type: 'shell', command, env: {} });
const sh = (script: string, ...rest: string[]) => shell('sh', '-c', script, 'sh', ...rest);
const run = async (
  spec: ProgramSpec,
  options: TaskOptions = {},
  context = contextOf(),
  more: Partial<ShellOptions> = {},
) => ({
  ending: await platformOf(more).execute(taskOf(spec, options), context),
  log: context.text(),
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}
const isAlive = (pid: number | undefined) => pid !== undefined && processIdentity(pid) !== undefined;
const isOver = (epoch: number) => readdirSync(endedOf(spool)).some((name) => name.startsWith(`${epoch}.`));
function shimOf(epoch: number): number | undefined {
  const runner = new AttemptFolder(spool, epoch).runner();
  return typeof runner === 'object' && isAlive(runner.pid) ? runner.pid : undefined;
}
function keeperOf(): number {
  const folder = join(spool, 'keeper');
  const [lock] = readdirSync(folder).filter((name) => /^lock\.\d+$/.test(name));
  return JSON.parse(readFileSync(join(folder, lock!), 'utf8')).pid;
}
/** Undefined while one keeper takes the place of another: the name of the old lock goes away then. */
function keeperIfAny(): number | undefined {
  try {
    return keeperOf();
  } catch {
    return undefined;
  }
}
/** A number that the program wrote into a file of the spool. */
async function pidIn(name: string): Promise<number> {
  await until(() => existsSync(join(spool, name)) && /\n$/.test(readFileSync(join(spool, name), 'utf8')));
  return Number(readFileSync(join(spool, name), 'utf8'));
}

describe('a shell program', () => {
  it('succeeds with its output in the log', async () => {
    const { ending, log } = await run(sh('echo out; echo err >&2'));
    expect(ending).toEqual({ outcome: 'succeeded' });
    expect(log.split('\n').sort().join(' ').trim()).toBe('err out');
  });

  it.each([
    ['an exit code', sh('exit 3'), { kind: 'program', message: 'exit code 3', exitCode: 3 }],
    [
      'a signal',
      sh('kill -9 $$'),
      {
        kind: 'program',
        message: 'killed by SIGKILL (exit code 137), not by Sluice; perhaps a memory limit',
      },
    ],
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
        'SLUICE_MARK',
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
    expect(ending).toEqual({ outcome: 'failed', kind: 'timeout', message: 'timed out after 300 ms' });
  });

  const memory = '/dev/shm';
  const elsewhere = existsSync(memory) && statSync(memory).dev !== statSync(tmpdir()).dev;
  it.runIf(elsewhere)('ends, and is cancelled, where its folders lie on a disk of their own', async () => {
    const disk = mkdtempSync(join(memory, 'sluice-spool-'));
    symlinkSync(disk, join(spool, 'attempts'));
    try {
      const { ending } = await run(sh('exit 3'), { epoch: 1 });
      expect(ending).toMatchObject({ outcome: 'failed', message: 'exit code 3' });
      const context = contextOf();
      const cancelled = run(sh('echo begun; sleep 600'), { epoch: 2 }, context);
      await until(() => context.text().includes('begun'));
      context.controller.abort('cancel');
      expect((await cancelled).ending).toMatchObject({ outcome: 'cancelled' });
    } finally {
      rmSync(disk, { recursive: true, force: true });
    }
  });

  it('is killed on cancel when it ignores the request', async () => {
    const context = contextOf();
    const running = run(sh("trap '' TERM; echo ready $$; while :; do sleep 0.05; done"), {}, context);
    await until(() => context.text().includes('ready'));
    const program = Number(context.text().split(' ')[1]);
    expect(isAlive(program)).toBe(true);
    context.controller.abort('cancel');
    expect((await running).ending).toEqual({ outcome: 'cancelled', effect: null });
    expect(isAlive(program)).toBe(false);
  });

  describe.each([
    ['by the strongest means', containment],
    ['by marks', { level: 'marks' }],
  ] as const)('kept together %s, and asked to end before its shim has begun', (_means, contained) => {
    it.each([
      ['cancel', { outcome: 'cancelled', effect: false }],
      ['leave', { outcome: 'failed', kind: 'infrastructure' }],
      ['orphan', { outcome: 'failed', kind: 'infrastructure' }],
    ])('never begins: %s', async (reason, want) => {
      const effect = join(spool, 'effect');
      const context = contextOf();
      context.controller.abort(reason);
      const { ending } = await run(sh(`echo $$ > ${effect}; exec sleep 1000`), {}, context, {
        containment: contained,
      });
      expect(ending).toMatchObject(want);
      await until(() => livingWith('SLUICE_SHIM', spool).length === 0);
      expect(existsSync(effect)).toBe(false);
    });
  });

  it('takes what it left running in its group with it', async () => {
    const { ending, log } = await run(sh('sleep 1000 & echo $!'));
    expect(ending).toEqual({ outcome: 'succeeded' });
    expect(isAlive(Number(log.split('\n')[0]))).toBe(false);
    expect(log).toContain('left processes behind');
  });

  it('is an infrastructure failure when its keeper cannot run', async () => {
    const { ending } = await run(sh('true'), {}, contextOf(), { keeper: join(spool, 'nowhere.ts') });
    expect(ending).toMatchObject({ outcome: 'failed', kind: 'infrastructure' });
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
    const ending = platform.execute(taskOf(sh('echo $$; exec sleep 1000'), { orphanMs: 1_500 }), context);
    const touching = setInterval(() => platform.touch([1]), 100);
    await until(() => context.text().includes('\n'));
    const program = Number(context.text());
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(isAlive(program)).toBe(true);
    clearInterval(touching);
    expect(await ending).toEqual({ outcome: 'lost', message: expect.stringContaining('no contact') });
    expect(isAlive(program)).toBe(false);
  });

  it('is ended, and its outcome unknown, when its shim is killed', async () => {
    const context = contextOf();
    const running = run(sh('setsid sleep 1000 & echo $! $$; exec sleep 1000'), {}, context);
    await until(() => context.text().includes('\n'));
    process.kill(shimOf(1)!, 'SIGKILL');
    expect((await running).ending).toMatchObject({ outcome: 'lost' });
    for (const pid of context.text().split(' ')) expect(isAlive(Number(pid))).toBe(false);
  });
});

describe('a shell program whose agent or keeper is killed (protocol C5)', () => {
  /** An agent of its own process that launches the program and can be killed. */
  function launcher(script: string, taskOptions: TaskOptions = {}): ChildProcess {
    const module = join(import.meta.dirname, '../../../platforms/shell/shell.ts');
    const options = { spool, keeper, containment, environment, cwd: tmpdir() };
    const code = `
      const { createShellPlatform } = await import(${JSON.stringify(module)});
      const platform = createShellPlatform(${JSON.stringify(options)});
      await platform.execute(${JSON.stringify(taskOf(sh(script), taskOptions))}, { signal: new AbortController().signal, log() {} });`;
    return spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'ignore' });
  }
  async function kill(child: ChildProcess): Promise<void> {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }
  async function killKeeper(): Promise<void> {
    const pid = keeperOf();
    process.kill(pid, 'SIGKILL');
    await until(() => !isAlive(pid));
  }
  const gated = () =>
    `echo before; while [ ! -e ${join(spool, 'gate')} ]; do sleep 0.02; done; echo after; exit 4`;

  it('goes on, and the next agent finds its result and its whole log', async () => {
    const child = launcher(gated(), { epoch: 5 });
    await until(() => shimOf(5) !== undefined);
    await kill(child);
    writeFileSync(join(spool, 'gate'), '');
    await until(() => isOver(5));

    const next = platformOf();
    const [found] = next.found();
    expect(found!.lease).toMatchObject({ epoch: 5, run: 'month-2026-10' });
    const context = contextOf();
    expect(await next.adopt(found!, context)).toMatchObject({ outcome: 'failed', exitCode: 4 });
    expect(context.text()).toBe('before\nafter\n');
    next.clear(5);
    expect(next.found()).toEqual([]);
  });

  it('loses no result when the keeper is killed, nor its timeout', async () => {
    const platform = platformOf();
    const context = contextOf();
    const gate = platform.execute(taskOf(sh(gated()), { epoch: 5 }), context);
    const late = platform.execute(
      taskOf(sh('echo; sleep 1000'), { epoch: 6, timeoutMs: 2_000 }),
      contextOf(),
    );
    await until(() => context.text().includes('before') && shimOf(6) !== undefined);
    const first = keeperOf();
    await killKeeper();
    writeFileSync(join(spool, 'gate'), '');
    expect(await gate).toMatchObject({ outcome: 'failed', exitCode: 4 });
    expect(await late).toMatchObject({ outcome: 'failed', kind: 'timeout' });
    expect(keeperOf()).not.toBe(first);
  });

  it('loses no result when agent and keeper are killed', async () => {
    const child = launcher(gated(), { epoch: 5 });
    await until(() => shimOf(5) !== undefined);
    await kill(child);
    await killKeeper();
    writeFileSync(join(spool, 'gate'), '');
    await until(() => shimOf(5) === undefined);
    const next = platformOf();
    expect(await next.adopt(next.found()[0]!, contextOf())).toMatchObject({ outcome: 'failed', exitCode: 4 });
  });

  it('can still be cancelled by the next agent, whose keeper takes over from the living one', async () => {
    const child = launcher('echo $$ > "$SLUICE_PARAM_file"; exec sleep 1000', {
      epoch: 5,
      parameters: { file: join(spool, 'pid') },
    });
    const program = await pidIn('pid');
    await kill(child);
    const first = keeperOf();
    const next = platformOf();
    const context = contextOf();
    const ending = next.adopt(next.found()[0]!, context);
    await until(() => !isAlive(first));
    context.controller.abort('cancel');
    expect(await ending).toEqual({ outcome: 'cancelled', effect: null });
    expect(isAlive(program)).toBe(false);
  });

  it('is never begun after the next agent gave it up', async () => {
    const effect = join(spool, 'effect');
    const folder = new AttemptFolder(spool, 5);
    platformOf();
    folder.create(taskOf(sh(`touch ${effect}`), { epoch: 5 }), {
      command: ['touch', effect],
      cwd: spool,
      env: environment,
      timeoutMs: null,
      orphanMs: 1_000,
      graceMs: 1,
      containment,
      leaves: false,
      mark: 'x',
    });
    const next = platformOf();
    expect(await next.adopt(next.found()[0]!, contextOf())).toMatchObject({
      outcome: 'failed',
      kind: 'infrastructure',
    });
    // A keeper that comes afterwards runs another program and leaves this one alone.
    expect(await next.execute(taskOf(sh('true'), { epoch: 6 }), contextOf())).toEqual({
      outcome: 'succeeded',
    });
    expect(existsSync(effect)).toBe(false);
  });

  it('leaves its result when the note of its process is empty, as on a full disk', async () => {
    const context = contextOf();
    const platform = platformOf();
    const ending = platform.execute(taskOf(sh(gated()), { epoch: 5 }), context);
    await until(() => context.text().includes('before'));
    writeFileSync(new AttemptFolder(spool, 5).file('running'), '');
    await killKeeper();
    await until(() => isAlive(keeperIfAny()));
    writeFileSync(join(spool, 'gate'), '');
    expect(await ending).toMatchObject({ outcome: 'failed', exitCode: 4 });
  });

  describe('under the wrapper of an earlier version', () => {
    const wrapper = join(import.meta.dirname, '../../support/old-wrapper.mjs');
    function wrapped(script: string): { folder: string; child: ChildProcess } {
      const folder = join(spool, 'attempts', '5');
      mkdirSync(folder, { recursive: true });
      const launch = {
        command: ['sh', '-c', script],
        cwd: spool,
        env: environment,
        timeoutMs: null,
        orphanMs: 60_000,
        graceMs: 300,
        headBytes: 1_000,
        tailBytes: 1_000,
      };
      writeFileSync(join(folder, 'contact'), '');
      writeFileSync(join(folder, 'launch.json'), JSON.stringify(launch));
      writeFileSync(join(folder, 'task.json'), JSON.stringify(taskOf(sh(script), { epoch: 5 })));
      return {
        folder,
        child: spawn(process.execPath, [wrapper, folder], { detached: true, stdio: 'ignore' }),
      };
    }

    it('is followed to its end', async () => {
      const { folder } = wrapped(gated());
      await until(() => existsSync(join(folder, 'program.json')));
      const next = platformOf();
      const context = contextOf();
      const ending = next.adopt(next.found()[0]!, context);
      writeFileSync(join(spool, 'gate'), '');
      expect(await ending).toMatchObject({ outcome: 'failed', exitCode: 4 });
      expect(context.text()).toBe('before\nafter\n');
      next.clear(5);
      expect(next.found()).toEqual([]);
    });

    it('hears that the API knows its attempt, or it would end its program after orphanMs', async () => {
      const { folder } = wrapped(gated());
      await until(() => existsSync(join(folder, 'program.json')));
      const next = platformOf();
      const ending = next.adopt(next.found()[0]!, contextOf());
      utimesSync(join(folder, 'contact'), 1, 1);
      next.touch([5]);
      expect(statSync(join(folder, 'contact')).mtimeMs).toBeGreaterThan(1_000);
      writeFileSync(join(spool, 'gate'), '');
      await ending;
    });

    it('can be cancelled, and is lost with its wrapper', async () => {
      const { folder, child } = wrapped('exec sleep 1000');
      await until(() => existsSync(join(folder, 'program.json')));
      const program = JSON.parse(readFileSync(join(folder, 'program.json'), 'utf8')).pid;
      const next = platformOf();
      const ending = next.adopt(next.found()[0]!, contextOf());
      child.kill('SIGKILL');
      expect(await ending).toMatchObject({ outcome: 'lost' });
      await until(() => !isAlive(program));
    });

    it('is given up when its wrapper never began', async () => {
      const { child } = wrapped('true');
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('exit', resolve));
      const next = platformOf();
      const ending = await next.adopt(next.found()[0]!, contextOf());
      expect(['failed', 'lost']).toContain(ending.outcome);
    });
  });
});

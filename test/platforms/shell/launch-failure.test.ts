import {
  chmodSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Ending, ProgramSpec } from '../../../contract/agent.ts';
import { createShellPlatform, type ShellPlatform } from '../../../platforms/shell/shell.ts';
import { exitEnding, unlaunchedEnding } from '../../../platforms/shell/shell-ending.ts';
import { contextOf, taskOf } from '../task.ts';

/** One platform for all: what cannot be started leaves nothing that the next one could meet. */
let folder: string;
let platform: ShellPlatform;
let epoch = 0;
const keeper = join(import.meta.dirname, '../../../agent/keeper/main.ts');

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-launch-'));
  platform = createShellPlatform({
    spool: join(folder, 'spool'),
    keeper,
    containment: { level: 'marks' },
    environment: { PATH: `${join(folder, 'bin')}:${process.env.PATH ?? '/usr/bin:/bin'}` },
    cwd: folder,
  });
  const file = (name: string, content: string | Buffer, mode = 0o755) => {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), content);
    chmodSync(join(folder, name), mode);
  };
  file('no-program', 'only text', 0o644);
  file('empty', '');
  file('garbage', Buffer.from('7f454c46000000000000000000000000', 'hex'));
  file('no-interpreter', '#!/no/such/interpreter\n');
  file('bin/empty-too', '');
  file('says-127', '#!/bin/sh\nexit 127\n');
  file('says-126', '#!/bin/sh\necho "/bin/sh: something: not found" >&2\nexit 126\n');
  symlinkSync('loop-b', join(folder, 'loop-a'));
  symlinkSync('loop-a', join(folder, 'loop-b'));
  copyFileSync('/bin/true', join(folder, 'busy'));
});
afterAll(() => {
  platform.close();
  rmSync(folder, { recursive: true, force: true });
});

const run = (command: string[], env: Record<string, string> = {}): Promise<Ending> =>
  platform.execute(
    taskOf({ type: 'shell', command, env } satisfies ProgramSpec, { epoch: ++epoch }),
    contextOf(),
  );

describe('a program that the kernel does not start', () => {
  it.each([
    ['is nowhere', ['/no/such/program'], 'ENOENT'],
    ['is in no folder of PATH', ['no-such-program-anywhere'], 'ENOENT'],
    ['has a file in the place of a folder', ['/etc/hostname/run.sh'], 'ENOTDIR'],
    ['is a folder', ['/tmp'], 'EACCES'],
    ['may not be executed', ['./no-program'], 'EACCES'],
    ['is empty', ['./empty'], 'ENOEXEC'],
    ['is empty and found by PATH', ['empty-too'], 'ENOEXEC'],
    ['is no program of this machine', ['./garbage'], 'ENOEXEC'],
    ['has an interpreter that is nowhere', ['./no-interpreter'], 'ENOENT'],
    ['is a loop of symbolic links', ['./loop-a'], 'ELOOP'],
    ['has a name that is too long', [`/${'x'.repeat(300)}`], 'ENAMETOOLONG'],
    ['has one argument that is too long', ['/bin/echo', 'x'.repeat(140_000)], 'E2BIG'],
    [
      'has too many arguments',
      ['/bin/echo', ...Array.from({ length: 300 }, () => 'x'.repeat(10_000))],
      'E2BIG',
    ],
  ])('because it %s is failed with the reason, at once', async (_name, command, code) => {
    const ending = await run(command);
    expect(ending).toMatchObject({ outcome: 'failed', kind: 'program' });
    expect((ending as { message: string }).message).toMatch(new RegExp(`^${code}: .*nothing was run$`));
    expect((ending as { message: string }).message.length).toBeLessThan(600);
  });

  it('because its file is being written (ETXTBSY) is failed', async () => {
    const open = openSync(join(folder, 'busy'), 'r+');
    try {
      expect(await run(['./busy'])).toMatchObject({
        kind: 'program',
        message: expect.stringMatching(/^ETXTBSY: /),
      });
    } finally {
      closeSync(open);
    }
    expect(await run(['./busy'])).toEqual({ outcome: 'succeeded' });
  });

  it('because its environment is too long is failed', async () => {
    const ending = await run(['/bin/true'], { BIG: 'x'.repeat(140_000) });
    expect(ending).toMatchObject({ kind: 'program', message: expect.stringMatching(/^E2BIG: /) });
  });

  it('because the working directory is missing is failed, and says which', async () => {
    const elsewhere = createShellPlatform({
      spool: join(folder, 'elsewhere'),
      keeper,
      containment: { level: 'marks' } as const,
      environment: {},
      cwd: join(folder, 'nowhere'),
    });
    const spec: ProgramSpec = { type: 'shell', command: ['/bin/true'], env: {} };
    const ending = await elsewhere.execute(taskOf(spec), contextOf());
    elsewhere.close();
    expect(ending).toMatchObject({ kind: 'program', message: expect.stringMatching(/^ENOENT: .*directory/) });
  });

  it('differs from one that itself exits with 126 or 127', async () => {
    expect(await run(['./says-127'])).toMatchObject({ exitCode: 127, message: 'exit code 127' });
    expect(await run(['./says-126'])).toMatchObject({
      exitCode: 126,
      message: expect.stringMatching(/^exit code 126\n/),
    });
    expect(await run(['sh', '-c', 'no-such-command-here'])).toMatchObject({
      message: expect.stringMatching(/^exit code 127\n/),
    });
  });

  it.each(['EAGAIN', 'EMFILE', 'ENFILE', 'ENOMEM'])(
    'for want of the machine (%s) is infrastructure',
    (code) => {
      expect(unlaunchedEnding(code, 'x')).toMatchObject({ outcome: 'failed', kind: 'infrastructure' });
    },
  );

  it('for a reason that nobody foresaw is failed under its name', () => {
    expect(unlaunchedEnding('EIO', 'x')).toMatchObject({
      kind: 'program',
      message: expect.stringMatching(/^EIO: /),
    });
  });
});

describe('the environment of a program', () => {
  it('arrives byte for byte, also under names that a shell sets or refuses', async () => {
    const value = Array.from({ length: 0x17f }, (_it, index) => String.fromCodePoint(index + 1)).join('');
    const env = { PLAIN: value, 'my.property': value, IFS: value, PWD: '/elsewhere', PPID: '1', _x: "'" };
    const context = contextOf();
    const command = ['sh', '-c', 'cat /proc/$$/environ'];
    const spec: ProgramSpec = { type: 'shell', command, env };
    expect(await platform.execute(taskOf(spec, { epoch: ++epoch }), context)).toEqual({
      outcome: 'succeeded',
    });
    const got = Object.fromEntries(
      context
        .text()
        .split('\0')
        .filter(Boolean)
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
    expect(got).toMatchObject(env);
    expect(Object.keys(got).filter((name) => name === 'OLDPWD' || name === 'SHLVL')).toEqual([]);
  });

  it('may load libraries of its own without harm to the shim', async () => {
    const env = { LD_PRELOAD: '/no/such/library.so', LD_LIBRARY_PATH: folder };
    expect(await run(['sh', '-c', 'exit 5'], env)).toMatchObject({ exitCode: 5 });
  });
});

describe('an exit status', () => {
  it.each([
    [0, { outcome: 'succeeded' }],
    [3, { message: 'exit code 3', exitCode: 3 }],
    [137, { message: expect.stringMatching(/^killed by SIGKILL \(exit code 137\)/), exitCode: 137 }],
    [255, { message: 'exit code 255', exitCode: 255 }],
  ])('%i is said as what it is', (status, want) => {
    expect(exitEnding(status)).toMatchObject(want);
  });
});

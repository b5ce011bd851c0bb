import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { containmentFor } from '../../../agent/containment-level.ts';
import type { Ending } from '../../../contract/agent.ts';

type Level = 'cgroup' | 'namespace' | 'marks';

const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
const helper = join(import.meta.dirname, '../../support/contained-program.ts');
const isRoot = process.getuid?.() === 0;

let folder: string;
let node: string;
let count = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-contained-'));
  chmodSync(folder, 0o755);
  node = join(folder, 'node');
  // Another user may not reach the Node of this one.
  try {
    linkSync(process.execPath, node);
  } catch {
    copyFileSync(process.execPath, node);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Running {
  /** Working directory of the program. */
  readonly place: string;
  /** In the command of each process that the program starts. */
  readonly token: string;
  /** What it waits for, as it was said. */
  readonly waits: unknown[];
  readonly ending: Promise<Ending>;
  readonly end: (how: 'cancel' | 'force') => void;
}

/** One agent's programs under one level: all of them have one spool and one keeper, as on a platform. */
class Programs {
  readonly #child: ChildProcess;
  readonly #number = ++count;
  readonly #spool = join(folder, `spool-${this.#number}`);
  readonly #running = new Map<number, { waits: unknown[]; ended: (ending: Ending) => void }>();
  #said = '';
  /** Rejects when the process ends. */
  readonly #over = Promise.withResolvers<never>();

  constructor(user: string[], level: Level) {
    mkdirSync(this.#spool);
    chmodSync(this.#spool, 0o777);
    const [command, ...args] = [...user, node, helper, JSON.stringify({ spool: this.#spool, level })];
    this.#child = spawn(command!, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      const { epoch, ending, waits } = JSON.parse(line);
      if (ending === undefined) this.#running.get(epoch)!.waits.push(waits);
      else this.#running.get(epoch)!.ended(ending);
    });
    this.#child.stderr!.on('data', (chunk) => {
      this.#said += chunk;
    });
    this.#over.promise.catch(() => {});
    this.#child.once('close', (code) => this.#over.reject(new Error(`ended with ${code}: ${this.#said}`)));
  }

  start(script: (token: string) => string, more: object = {}): Running {
    const epoch = this.#running.size + 1;
    const place = join(this.#spool, `place-${epoch}`);
    mkdirSync(place);
    chmodSync(place, 0o777);
    // A number of seconds for sleep, of which none is the beginning of another one.
    const token = `9${process.pid}.${this.#number}${String(epoch).padStart(3, '0')}`;
    const waits: unknown[] = [];
    const ended = new Promise<Ending>((resolve) => {
      this.#running.set(epoch, { waits, ended: resolve });
    });
    this.#tell({ epoch, script: `cd ${place}; ${script(token)}`, timeoutMs: null, ...more });
    return {
      place,
      token,
      waits,
      ending: Promise.race([ended, this.#over.promise]),
      end: (how) => this.#tell({ epoch, end: how }),
    };
  }

  #tell(what: object): void {
    this.#child.stdin!.write(`${JSON.stringify(what)}\n`);
  }

  async close(): Promise<void> {
    this.#child.stdin!.end();
    await this.#over.promise.catch(() => {});
  }
}

/** Commands of living processes that hold the token. */
function living(token: string): string[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      const dead = / [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\)/, ''));
      return command.includes(`sleep ${token}`) && !command.includes('contained-program') && !dead
        ? [command]
        : [];
    } catch {
      return [];
    }
  });
}

function killAll(token: string): void {
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      if (readFileSync(`/proc/${pid}/cmdline`, 'utf8') === `sleep\0${token}\0`)
        process.kill(Number(pid), 'SIGKILL');
    } catch {
      // Gone.
    }
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Each starts `sleep TOKEN` and says so in the file `ready`; then it runs on. */
const PROGRAMS: readonly (readonly [string, (sleep: string) => string])[] = [
  ['a session of its own', (sleep) => `setsid ${sleep} & echo > ready`],
  ['a double fork without terminal', (sleep) => `(setsid nohup ${sleep} >/dev/null 2>&1 &) ; echo > ready`],
  ['deaf ears for TERM', (sleep) => `(trap '' TERM HUP; setsid ${sleep} &); echo > ready`],
  ['a stopped process', (sleep) => `setsid ${sleep} & kill -STOP $!; echo > ready`],
  [
    'processes that follow one another without end',
    (sleep) => `f() { (${sleep} & sleep 0.02; f) & }; f; ${sleep} & echo > ready`,
  ],
  ['many processes', (sleep) => `i=0; while [ $i -lt 100 ]; do ${sleep} & i=$((i+1)); done; echo > ready`],
  ['another title', (sleep) => `setsid perl -e '$0 = "x" x 200; system("${sleep}")' & echo > ready`],
];
const CLEARED = [
  'a cleared environment',
  (sleep: string) => `env -i setsid ${sleep} & echo > ready`,
] as const;

const users: readonly (readonly [string, string[]])[] = isRoot
  ? [
      ['root', []],
      ['another user', NOBODY],
    ]
  : [['this user', []]];

/** Why the level cannot be had, as the code itself finds it. */
function missing(user: string[], level: Level): string | undefined {
  const probe = mkdtempSync(join(tmpdir(), 'sluice-probe-'));
  chmodSync(probe, 0o777);
  try {
    if (user.length === 0) {
      containmentFor(level, probe);
      return undefined;
    }
    const module = join(import.meta.dirname, '../../../agent/containment-level.ts');
    const code = `(await import(${JSON.stringify(module)})).containmentFor('${level}', ${JSON.stringify(probe)})`;
    // The Node of root may be out of the other user's reach: see beforeAll.
    const own = join(probe, 'node');
    copyFileSync(process.execPath, own);
    const [command, ...args] = [...user, own, '--input-type=module', '-e', code];
    const tried = spawnSync(command!, args, { encoding: 'utf8' });
    return tried.status === 0
      ? undefined
      : (/SluiceError: (.*)/.exec(tried.stderr)?.[1] ?? tried.stderr.slice(0, 200));
  } catch (error) {
    return (error as Error).message;
  } finally {
    rmSync(probe, { recursive: true, force: true });
  }
}

const places = users.flatMap(([name, user]) =>
  (['cgroup', 'namespace', 'marks'] as const).map((level) => ({
    name,
    user,
    level,
    why: missing(user, level),
  })),
);

for (const { name, user, level, why } of places) {
  const title = `programs of ${name}, kept together by ${level}`;
  if (why !== undefined) {
    describe.skip(`${title}: ${why}`, () => it('is not tried', () => {}));
    continue;
  }
  describe(title, () => {
    let programs: Programs;
    beforeAll(() => {
      programs = new Programs(user, level);
    });
    afterAll(() => programs.close());

    it.concurrent.each([...PROGRAMS, CLEARED])('leave nothing after a cancel: %s', async (_what, program) => {
      const it = programs.start(
        (token) => `${program(`sleep ${token}`)}; sleep 0.5; echo > set; sleep ${token}`,
      );
      await until(() => existsSync(join(it.place, 'set')));
      expect(living(it.token).length).toBeGreaterThan(1);
      it.end('cancel');
      expect(await it.ending).toMatchObject({ outcome: 'cancelled' });
      expect(living(it.token)).toEqual([]);
    });

    it.concurrent.each(PROGRAMS)('leave nothing after their own end: %s', async (_what, program) => {
      const it = programs.start((token) => program(`sleep ${token}`));
      expect(await it.ending).toEqual({ outcome: 'succeeded' });
      expect(living(it.token)).toEqual([]);
    });

    it.concurrent('leave nothing after a timeout', async () => {
      const it = programs.start((token) => `setsid sleep ${token} & sleep ${token}`, { timeoutMs: 500 });
      expect(await it.ending).toMatchObject({ outcome: 'failed', kind: 'timeout' });
      expect(living(it.token)).toEqual([]);
    });

    it.concurrent('leave what the flow says that they leave', async () => {
      const it = programs.start((token) => `setsid sleep ${token} & true`, { leaves: 'running' });
      expect(await it.ending).toEqual({ outcome: 'succeeded' });
      expect(living(it.token).length).toBe(1);
      killAll(it.token);
    });
  });
}

describe.skipIf(!isRoot)('a program with a process that its agent may not end', () => {
  it('does not end until the process is gone or a person says so, and says what lives', async () => {
    const found = spawnSync('sh', ['-c', 'command -v setpriv'], { encoding: 'utf8' }).stdout.trim();
    const rooted = join(folder, 'rooted');
    copyFileSync(found, rooted);
    chmodSync(rooted, 0o4755);
    const programs = new Programs(NOBODY, 'marks');
    const it = programs.start(
      (token) =>
        `${rooted} --reuid=0 --regid=0 --clear-groups setsid sleep ${token} & sleep 0.5; echo > set; sleep ${token}`,
    );
    await until(() => existsSync(join(it.place, 'set')));
    it.end('cancel');
    await until(() => JSON.stringify(it.waits).includes('processes_survive'));
    expect(JSON.stringify(it.waits)).toMatch(/"by":"\d+ \(sleep, state S\)"/);
    expect(living(it.token)).toEqual([`sleep ${it.token} `]);
    it.end('force');
    expect(await it.ending).toMatchObject({
      outcome: 'cancelled',
      message: expect.stringMatching(/^ended by force, as a person decided; .*: \d+ \(sleep/),
    });
    killAll(it.token);
    await programs.close();
  });
});

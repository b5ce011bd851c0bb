/** The data folder of the embedded PostgreSQL: where it is, how it is made, and the home's note on it (place, password, port). */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmod, chown, lstat, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SluiceError } from '../errors.ts';
import { endStranger } from './children.ts';
import { type Home, readNote, writeNote } from './home.ts';
import { canPass, type PostgresBinaries, type RunAs } from './postgres-binaries.ts';

/** Kept in the home as `postgres.json`. */
export interface PostgresNote {
  readonly password: string;
  /** Parent of the data folder. */
  readonly folder: string;
  readonly version: string;
  readonly port?: number;
}

/** The server's superuser. */
export const USER = 'sluice';
/** Used by root when the user `postgres` cannot reach the home. /var/tmp comes last, as old files may be removed there. */
const SPARE_FOR_ROOT = ['/var/lib/sluice', '/var/tmp'];
const SPARE_FOR_OTHERS = ['/var/tmp'];

/** Folders for what `user` cannot reach in its own place; the first usable one is taken. */
export const spareFolders = (user: RunAs): readonly string[] =>
  user === undefined ? SPARE_FOR_OTHERS : SPARE_FOR_ROOT;

/** The whole environment of the server: no variable of a person's shell (PGPORT, LD_PRELOAD) reaches it. */
export const ENVIRONMENT = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** Removes the data of the home at `homePath` that lies outside of the home, if any. The server must be stopped. */
export async function removeOutsideData(homePath: string): Promise<void> {
  for (const folder of SPARE_FOR_ROOT.map((spare) => outsideFolder(spare, homePath))) {
    if ((await lstat(folder).catch(() => undefined))?.uid === process.getuid?.())
      await rm(folder, { recursive: true, force: true });
  }
}

const outsideFolder = (spare: string, homePath: string) =>
  join(spare, `sluice-data-${createHash('sha256').update(homePath).digest('hex').slice(0, 16)}`);

/** Finds or makes the data folder; answers the home's note on it. */
export async function prepareData(
  home: Home,
  binaries: PostgresBinaries,
  user: RunAs,
  shortLived: boolean,
): Promise<PostgresNote> {
  const major = (version: string) => version.split('.')[0];
  const kept = await readNote<PostgresNote>(home, 'postgres');
  if (kept !== undefined && (await exists(join(kept.folder, 'data', 'PG_VERSION')))) {
    if (major(kept.version) !== major(binaries.version)) {
      const detail = `the data in ${kept.folder} was made by PostgreSQL ${kept.version}, this is ${binaries.version}`;
      throw new SluiceError('postgres_failed', detail, { facts: { folder: kept.folder } });
    }
    return kept;
  }
  const inside = canPass(home.path, user);
  const folder = inside
    ? join(home.path, 'postgres')
    : await firstUsable(
        spareFolders(user).map((folder) => outsideFolder(folder, home.path)),
        user,
      );
  // Data without the note cannot be used, as the password is lost. Outside of the home such data is left from a home that was removed.
  if (inside && (await exists(join(folder, 'data', 'PG_VERSION')))) {
    throw new SluiceError(
      'postgres_failed',
      `${folder} holds data, but ${join(home.path, 'postgres.json')} with its password is gone`,
    );
  }
  const note: PostgresNote = {
    password: randomBytes(24).toString('base64url'),
    folder,
    version: binaries.version,
  };
  await writeNote(home, 'postgres', note);
  await endFormerServer(join(folder, 'data'));
  await rm(folder, { recursive: true, force: true });
  await mkdirPassable(folder);
  await initialise({ binaries, folder, password: note.password, user, shortLived });
  return note;
}

/**
 * Stops a server that a killed start has left before the home noted its process id; the data folder has the id, too. Only a process whose command
 * line has this data folder is stopped.
 */
export async function endFormerServer(data: string): Promise<void> {
  const lockFile = join(data, 'postmaster.pid');
  const pid = Number((await readFile(lockFile, 'utf8').catch(() => '')).split('\n')[0]);
  if (!pid) return;
  const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
  if (command.includes(data)) await endStranger(pid, 'SIGINT', 20_000);
  // This process has locked the home and the server is gone, so the id in the file may be that of any process by now.
  else if (process.platform === 'linux') await rm(lockFile, { force: true });
}

/** Makes the data folder under another name and then renames it, so that a first start that is killed leaves no incomplete one. */
async function initialise({
  binaries,
  folder,
  password,
  user,
  shortLived,
}: {
  readonly binaries: PostgresBinaries;
  readonly folder: string;
  readonly password: string;
  readonly user: RunAs;
  readonly shortLived: boolean;
}): Promise<void> {
  const draft = join(folder, 'draft');
  const passwordFile = join(folder, 'password');
  await mkdir(draft, { mode: 0o700 });
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  if (user !== undefined) for (const path of [draft, passwordFile]) await chown(path, user.uid, user.gid);
  const sync = shortLived ? ['--no-sync'] : process.platform === 'linux' ? ['--sync-method=syncfs'] : [];
  const fixed = ['--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', '--data-checksums'];
  const own = [`--pgdata=${draft}`, `--username=${USER}`, `--pwfile=${passwordFile}`];
  try {
    await promisify(execFile)(binaries.initdb, [...own, ...fixed, ...sync], {
      ...user,
      cwd: '/',
      env: ENVIRONMENT,
    });
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new SluiceError('postgres_failed', `the data folder ${folder} cannot be made: ${detail}`, {
      cause,
    });
  } finally {
    await rm(passwordFile, { force: true });
  }
  await rename(draft, join(folder, 'data'));
}

async function firstUsable(folders: readonly string[], user: RunAs): Promise<string> {
  for (const folder of folders) {
    try {
      await mkdirPassable(folder);
      if ((await lstat(folder)).uid === process.getuid?.() && canPass(folder, user)) return folder;
    } catch {
      // The next one.
    }
  }
  throw new SluiceError('postgres_failed', `none of ${folders.join(', ')} can be made for PostgreSQL's data`);
}

/** Makes a folder that others may pass but not list, whatever the umask. */
async function mkdirPassable(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o711);
}

const exists = (path: string) =>
  lstat(path).then(
    () => true,
    () => false,
  );

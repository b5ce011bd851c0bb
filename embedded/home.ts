/** The folder (SLUICE_HOME) with all data of the embedded servers. One process at a time owns it. */
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SluiceError } from '../errors.ts';
import { endLeftovers } from './children.ts';
import { tryLock } from './process-lock.mjs';

export interface Home {
  readonly path: string;
  /** Names of processes of a killed start that were stopped when the home was opened. */
  readonly leftovers: readonly string[];
  /** Releases the home for the next process. */
  release(): Promise<void>;
}

/**
 * Opens `path` for this process, and stops processes that a killed start left running in it.
 * Throws `already_running` when a living process owns it; facts `{ home, pid }`.
 */
export async function openHome(path: string): Promise<Home> {
  await mkdir(path, { recursive: true });
  // The user that PostgreSQL runs as must be able to pass through, not to look; every secret below is a file with mode 0600.
  await chmod(path, 0o711);
  const taken = await tryLock(join(path, 'owner.lock'));
  if (taken.release === undefined) {
    const { pid } = taken.holder;
    throw new SluiceError('already_running', `process ${pid} already runs Sluice in ${path}`, {
      facts: { home: path, pid },
    });
  }
  try {
    return { path, leftovers: await endLeftovers(path), release: taken.release };
  } catch (error) {
    await taken.release();
    throw error;
  }
}

/** Reads a small JSON note of the home; undefined when there is none that can be read. */
export async function readNote<T>(home: Home, name: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(join(home.path, `${name}.json`), 'utf8')) as T;
  } catch {
    return undefined;
  }
}

/** Keeps a small JSON note in the home, readable by its owner only: notes hold passwords. */
export async function writeNote(home: Home, name: string, note: unknown): Promise<void> {
  const file = join(home.path, `${name}.json`);
  await writeFile(`${file}.draft`, `${JSON.stringify(note, null, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.draft`, file);
}

/**
 * Folders of ended attempts that become folders of next ones. A file system without a journal looks at all files that were deleted in
 * the last minutes before it creates one: at 100 programs a second that took a third of all processor time.
 *
 * Only the files that no program of the old attempt can have open are used again: `running` becomes attempt.sh, `exit.STATUS` becomes
 * log, attempt.sh becomes err. A process that still writes to the old log or err writes to a deleted file, as before.
 */
import {
  closeSync,
  fchmodSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { smallFiles } from './small-folder.ts';

/** Spare folders that are kept. More attempts than this rarely end between two that begin. */
const SPARE_LIMIT = 64;

export class SpareFolders {
  readonly #folder: string;
  readonly #spares: string[] = [];

  /** Only one agent at a time may use the spool. What an earlier one kept is removed. */
  constructor(spool: string) {
    this.#folder = join(spool, 'spare');
    rmSync(this.#folder, { recursive: true, force: true });
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  /** A folder outside of the attempts in which nothing but `text` as attempt.sh and perhaps an empty log and err are. Undefined: there is none. */
  take(text: string): string | undefined {
    const spare = this.#spares.pop();
    if (spare === undefined) return undefined;
    try {
      const file = openSync(join(spare, 'attempt.sh'), 'r+');
      try {
        fchmodSync(file, 0o600);
        writeFileSync(file, text);
        // Shortened afterwards: some file systems write a file to the disk at once when it was emptied first.
        ftruncateSync(file, Buffer.byteLength(text));
      } finally {
        closeSync(file);
      }
      return spare;
    } catch {
      // The disk is full, or somebody has removed the folder.
      rmSync(spare, { recursive: true, force: true });
      return undefined;
    }
  }

  /** Keeps the folder of an attempt whose program has ended by itself. False: the folder has to be removed. */
  keep(path: string, epoch: number): boolean {
    if (this.#spares.length >= SPARE_LIMIT) return false;
    const spare = join(this.#folder, String(epoch));
    try {
      const names = smallFiles(path);
      const exit = names?.find((name) => name.startsWith('exit.'));
      if (names === null || exit === undefined || !names.includes('running')) return false;
      renameSync(path, spare);
      const kept = new Set([exit, 'running', 'attempt.sh']);
      for (const name of names) if (!kept.has(name)) unlinkSync(join(spare, name));
      truncateSync(join(spare, 'attempt.sh'));
      renameSync(join(spare, 'attempt.sh'), join(spare, 'err'));
      renameSync(join(spare, exit), join(spare, 'log'));
      renameSync(join(spare, 'running'), join(spare, 'attempt.sh'));
    } catch {
      rmSync(spare, { recursive: true, force: true });
      return false;
    }
    this.#spares.push(spare);
    return true;
  }
}

/** Writes files to paths that were given on the command line. */
import { mkdir, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SluiceError } from '../errors.ts';

/** Writes or replaces a file; `folders` makes the folders above it. Throws `file_unwritable` with the reason. */
export async function writeOutput(
  file: string,
  content: string | Uint8Array,
  { folders = false } = {},
): Promise<void> {
  try {
    if (folders) await mkdir(dirname(file), { recursive: true });
    await replaceFile(file, content);
  } catch (error) {
    throw new SluiceError('file_unwritable', (error as Error).message, { facts: { file } });
  }
}

/** Keeps the old file until the new one is complete: a full disk leaves neither half a file nor none. Writes directly to devices and pipes. */
async function replaceFile(file: string, content: string | Uint8Array): Promise<void> {
  const before = await stat(file).catch(() => null);
  if (before !== null && !before.isFile()) return writeFile(file, content);
  const target = before === null ? file : await realpath(file);
  const part = `${target}.${process.pid}.part`;
  try {
    await writeFile(part, content, { mode: before === null ? 0o666 : before.mode });
    await rename(part, target);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

/** Files that the command line writes where somebody said. */
import { mkdir, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SluiceError } from '../errors.ts';

/** Replaces what is there; `folders` makes those above it. Throws `file_unwritable`, which says why. */
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

/** What is there stays until the new content is whole: a full disk leaves neither half a file nor none. Devices and pipes are written to. */
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

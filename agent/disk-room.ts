/** Whether the disk of an agent's folder has room for results, logs and programs. Each heartbeat reports it, and `sluice doctor` shows it. */
import { statfsSync } from 'node:fs';

const MEGABYTE = 1024 * 1024;
/** The disk needs this part of its size free, but at least SMALLEST_NEED and at most LARGEST_NEED bytes. */
const NEEDED_PART = 0.01;
const SMALLEST_NEED = MEGABYTE;
const LARGEST_NEED = 256 * MEGABYTE;

/** What is wrong with the disk, as a sentence for people; undefined when nothing is. */
export function diskTrouble(folder: string): string | undefined {
  try {
    const { bavail, blocks, bsize } = statfsSync(folder);
    const free = bavail * bsize;
    if (free >= Math.max(SMALLEST_NEED, Math.min(LARGEST_NEED, blocks * bsize * NEEDED_PART)))
      return undefined;
    return `the disk of ${folder} has ${Math.floor(free / MEGABYTE)} MB left`;
  } catch (error) {
    return (error as Error).message;
  }
}

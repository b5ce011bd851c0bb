/**
 * A disk that can be filled: where we may mount, a file system of 4 MB of its own for an agent's folder; elsewhere on Linux the kernel's limit
 * on the size of files that the agent's process writes. Neither touches the machine's own disk.
 */
import { execFile } from 'node:child_process';
import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface SmallDisk {
  /** No byte more; the way it was done, null when this machine has none. */
  fill(pid: number): Promise<'file system' | 'limit' | null>;
  free(pid: number): Promise<void>;
  remove(): Promise<void>;
}

const run = promisify(execFile);
const BYTES = 4 * 1024 * 1024;
const quietly = (work: Promise<unknown>): Promise<boolean> =>
  work.then(
    () => true,
    () => false,
  );

/** Prepares `folder`, which must not be in use yet. */
export async function openSmallDisk(folder: string): Promise<SmallDisk> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const mounted = await quietly(
    run('mount', ['-t', 'tmpfs', '-o', `size=${BYTES},mode=700`, 'tmpfs', folder]),
  );
  const ballast = join(folder, 'ballast');
  const limit = (pid: number, bytes: string): Promise<boolean> =>
    quietly(run('prlimit', ['--pid', String(pid), `--fsize=${bytes}:`]));
  return {
    async fill(pid) {
      if (!mounted) return (await limit(pid, '0')) ? 'limit' : null;
      const file = await open(ballast, 'a');
      try {
        // Ends with the error of a full disk; smaller and smaller pieces, so that nothing is left.
        for (let piece = 256 * 1024; piece >= 1; piece = Math.floor(piece / 4))
          while (await quietly(file.write(Buffer.alloc(piece))));
      } finally {
        await file.close().catch(() => {});
      }
      return 'file system';
    },
    async free(pid) {
      if (mounted) await rm(ballast, { force: true });
      else await limit(pid, 'unlimited');
    },
    async remove() {
      if (mounted) await run('umount', ['-l', folder]);
    },
  };
}

/** Unmounts what a killed harness left mounted below `home`. */
export async function unmountBelow(home: string): Promise<void> {
  const mounts = await readFile('/proc/mounts', 'utf8').catch(() => '');
  for (const line of mounts.split('\n')) {
    const place = line.split(' ')[1] ?? '';
    if (place.startsWith(`${home}/`)) await quietly(run('umount', ['-l', place]));
  }
}

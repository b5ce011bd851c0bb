/** The note in the folder of a shell attempt that its result was delivered: one more name for an existing file, which works on a full disk too. */
import { existsSync, linkSync, renameSync } from 'node:fs';
import { join } from 'node:path';

interface Folder {
  readonly path: string;
}

export const isReported = ({ path }: Folder): boolean => existsSync(join(path, 'reported'));

export function markReported({ path }: Folder): void {
  const reported = join(path, 'reported');
  try {
    // In a folder of the wrapper, `contact` is needed no more when the program has ended.
    if (existsSync(join(path, 'attempt.sh'))) linkSync(join(path, 'attempt.sh'), reported);
    else renameSync(join(path, 'contact'), reported);
  } catch {
    // The folder is gone already.
  }
}

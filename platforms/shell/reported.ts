/** Whether the result of a shell attempt was delivered, in its folder: a file that is there gets one more name, which a full disk allows. */
import { existsSync, linkSync, renameSync } from 'node:fs';
import { join } from 'node:path';

interface Folder {
  readonly path: string;
}

export const isReported = ({ path }: Folder): boolean => existsSync(join(path, 'reported'));

export function markReported({ path }: Folder): void {
  const reported = join(path, 'reported');
  try {
    // In a folder of the wrapper nobody asks for the last contact of a program that has ended.
    if (existsSync(join(path, 'attempt.sh'))) linkSync(join(path, 'attempt.sh'), reported);
    else renameSync(join(path, 'contact'), reported);
  } catch {
    // The folder is gone already.
  }
}

/** Whether the result of a shell attempt was delivered, in its folder: a file that is there gets another name, which a full disk allows. */
import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';

interface Folder {
  readonly path: string;
}

export const isReported = ({ path }: Folder): boolean => existsSync(join(path, 'reported'));

/** Nobody asks for the last contact of a program that has ended. */
export function markReported({ path }: Folder): void {
  try {
    renameSync(join(path, 'contact'), join(path, 'reported'));
  } catch {
    // The folder is gone already.
  }
}

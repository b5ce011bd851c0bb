/** How lists name what a flow runs. */
import path from 'node:path';
import type { Flow } from '../../graph/model.ts';

/** The file, the command, or the kind of a program of ours. */
export function programOf(program: Flow['program']): string | null {
  switch (program?.type) {
    case undefined:
      return null;
    case 'sql':
      return program.file;
    case 'shell':
      return program.command.join(' ');
    default:
      return program!.type;
  }
}

/** `DwdMergeBillM` of `month/DwdMergeBillM.sql`. */
export const programName = ({ file }: { readonly file: string }): string =>
  path.basename(file).replace(/\.sql$/i, '');

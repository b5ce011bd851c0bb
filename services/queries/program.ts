/** How lists name what a flow runs. */
import path from 'node:path';
import type { Flow } from '../../graph/model.ts';

/** The file of an SQL program, the command of a shell program, the type of any other; null: the flow has no program. */
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

/** The name of an SQL program: `DwdMergeBillM` of `month/DwdMergeBillM.sql`. */
export const programName = ({ file }: { readonly file: string }): string =>
  path.basename(file).replace(/\.sql$/i, '');

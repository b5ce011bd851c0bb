/** What a flow's program is called, and what excludes what by itself (protocol C6, C9). */
import type { Flow } from './model.ts';

/** Identity of the program for the fence and for locks: two flows with the same one and the same period exclude each other. */
export function programIdentity(flow: Pick<Flow, 'id' | 'program'>): string {
  const { program } = flow;
  switch (program?.type) {
    case 'sql':
      return program.file.replace(/^.*\//, '').replace(/\.sql$/, '');
    case 'export':
    case 'import':
      return `${program.distribution}.${program.type}`;
    default:
      return flow.id;
  }
}

/** Keys that an attempt holds while its lease is open. A `noop` touches nothing that another could meet. */
export function lockKeys(flow: Flow, period: string): string[] {
  const own =
    flow.program === undefined || flow.program.type === 'noop' || flow.kind === 'check'
      ? []
      : [`program:${programIdentity(flow)}:${period}`];
  return [...own, ...flow.locks.map((lock) => `lock:${lock}`)];
}

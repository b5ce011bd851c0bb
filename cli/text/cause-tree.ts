/** The ways from the asked flows to their final causes as one tree: what two ways share at their beginning stands once. */
import type { Cause } from '../../contract/answers.ts';
import type { Printing } from '../session.ts';
import { duration } from './instant.ts';
import { oneLine } from './width.ts';

interface Node {
  readonly below: Map<string, Node>;
  readonly causes: Cause[];
}

/**
 * The lines of the tree. A cause that concerns the whole of `run`, the run that was asked about, is a branch of its own; every other cause
 * stands at the end of its chain, in which flows of other runs are written `run/flow`. Branches come in the order of their first causes.
 */
export function causeTree(causes: readonly Cause[], run: string, now: number, session: Printing): string[] {
  const { phrase } = session;
  const root: Node = { below: new Map(), causes: [] };
  for (const cause of causes) {
    let node = root;
    for (const id of cause.flow === null && cause.run === run ? [phrase('whole_run')] : cause.chain) {
      const next = node.below.get(id) ?? { below: new Map(), causes: [] };
      node.below.set(id, next);
      node = next;
    }
    node.causes.push(cause);
  }
  return [...root.below].flatMap(([id, node]) => [
    `${oneLine(id)}${labelOf(node, now, session)}`,
    ...branches(node, '', now, session),
  ]);
}

function branches(node: Node, indent: string, now: number, session: Printing): string[] {
  return [...node.below].flatMap(([id, next], i) => {
    const last = i === node.below.size - 1;
    return [
      `${indent}${last ? '└─ ' : '├─ '}${oneLine(id)}${labelOf(next, now, session)}`,
      ...branches(next, `${indent}${last ? '   ' : '│  '}`, now, session),
    ];
  });
}

function labelOf({ causes }: Node, now: number, { phrase, paint }: Printing): string {
  return causes
    .map(({ code, since, blocks, remedy }) => {
      const facts = [since === null ? '' : duration(now - since), phrase('blocks', { n: blocks })];
      const mend = remedy.command ?? remedy.procedure;
      return `  ${paint('yellow', code)} (${facts.filter((text) => text !== '').join('; ')})${mend === null ? '' : `  ${paint('green', mend)}`}`;
    })
    .join('');
}

/** Lists that are cut: the first names on one line, the first items on a line each. */
import type { Printing } from '../session.ts';
import { oneLine } from './width.ts';

/** The first `limit` names, and `...` where there are more; `all`: how many there are when `names` were cut before. */
export function firstNames(names: readonly string[], limit: number, all = names.length): string {
  const first = names.slice(0, limit);
  return oneLine(all > first.length ? [...first, '...'].join(' ') : first.join(' '));
}

/** A line for each of the first `limit` items, and one that counts the rest. */
export function firstLines<Item>(
  items: readonly Item[],
  limit: number,
  line: (item: Item) => string,
  { phrase }: Pick<Printing, 'phrase'>,
): string[] {
  const lines = items.slice(0, limit).map(line);
  return items.length > limit ? [...lines, phrase('and_more', { n: items.length - limit })] : lines;
}

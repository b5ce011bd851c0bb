/** Suggestions for a name that does not exist. */
import { closest } from '../graph/text/problems.ts';

/** At most `limit` names: the nearest by spelling, then some that contain what was typed. O(names x length²): for errors only. */
export function suggestNames(typed: string, names: Iterable<string>, limit = 3): string[] {
  const all = [...names];
  const found = new Set<string>();
  const word = typed.slice(0, 160);
  const spelled = closest(word, all);
  if (spelled !== null) found.add(spelled);
  const lower = word.toLowerCase();
  if (lower.length >= 3)
    for (const name of all) {
      if (found.size >= limit) break;
      const other = name.toLowerCase();
      if (other.includes(lower) || (other.length >= 3 && lower.includes(other))) found.add(name);
    }
  return [...found].slice(0, limit);
}

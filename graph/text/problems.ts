/** What can be wrong with a catalogue. Problems are collected, never thrown: the check answers all of them at once. */
import type { Sentence } from './sentence.ts';

/** Every code of a problem, with what it says in one line. Served with the API's schemas and explained in docs/errors.md. */
export const PROBLEMS = {
  bad_combination: 'two fields contradict one another, or a field means nothing for this kind of flow',
  bad_moment: 'a moment that means nothing, e.g. 25:00',
  bad_period_mapping: 'a period mapping that leads to no period, or to another cycle than the upstream has',
  bad_time_zone: 'no such IANA time zone',
  check_no_boolean: 'a check whose last statement cannot answer one boolean',
  check_writes: 'a check with a statement that its read-only transaction refuses',
  duplicate_edge: 'the same dependency twice',
  duplicate_id: 'an id or alias that something else has already',
  file_unreadable: 'a file or link of the folder that cannot be read as part of the catalogue',
  holidays_unknown: 'work days are counted by a calendar that has no holidays for a year that is near',
  invalid_value: 'a value of the wrong type, form or range',
  loop: 'flows that wait for one another',
  loop_over_runs: 'flows that wait for one another over several runs, in the same or in ever later periods',
  missing_connection: 'a SQL program without connection on a platform that has none or several',
  missing_field: 'a field that must be there',
  missing_notice: 'a notify flow without notice',
  missing_person: 'a gate without the person who confirms it',
  missing_platform: 'a flow that agents run, without platform',
  missing_program: 'a flow that agents run, without program',
  no_agent: 'labels that no agent of the platform carries',
  nobody_confirms: 'a role in which nobody could confirm',
  relative_script: 'a script by a path that begins at the working folder of an agent',
  schedules_share:
    'two schedules that open the same period for different procedures: the flows of the second would not be triggered',
  spelled_alike: 'a name that differs from another one in upper and lower case only',
  sql_copy: 'a SQL program that copies from or to a client',
  sql_empty: 'a SQL program without a statement',
  sql_not_checked: 'a SQL program that the parser could not finish within its limits',
  sql_outside_transaction: 'a statement that PostgreSQL carries out outside of transactions only',
  sql_parameter: 'a SQL program that binds a parameter which the flow does not give',
  sql_syntax: 'a SQL program that PostgreSQL cannot parse',
  sql_transaction: 'a SQL program that controls the transaction it runs in',
  paths_alike: 'two files whose paths differ only in upper and lower case or in Unicode form',
  text_encoding: 'a file that is not text in its encoding',
  text_not_storable: 'a text with a character that cannot be stored',
  text_suspicious: 'a file with characters that show that it was damaged, or that nobody sees',
  period_not_opened:
    'an edge to periods that no schedule opens: what waits there waits until somebody opens the run by hand',
  unknown_field: 'a field that does not exist here',
  unknown_reference: 'a name that nothing in the catalogue has',
  unknown_platform: 'a platform of which no agent and no connection has ever been heard',
  unordered_writers: 'two flows that write one table for one period without an order between them',
  unused_parameter: 'a parameter that nothing of the program binds',
  yaml_syntax: 'text that is not YAML',
} as const;

export type ProblemCode = keyof typeof PROBLEMS;

/** Keys and indices from the top of the catalogue: `['flows', 12, 'after', 2]`. */
export type Path = readonly (string | number)[];

/** The entry that a finding is about (null = it has no id), and the path to its value or field. */
export interface FindingPlace {
  readonly id: string | null;
  readonly path: Path;
}

/** A problem before its place in the files is known. */
export interface Finding {
  readonly code: ProblemCode;
  /** Warnings do not stop `apply`. */
  readonly severity: 'error' | 'warning';
  readonly message: Sentence;
  readonly path: Path;
  /** Id of the entry it is about, when it has one. */
  readonly id: string | null;
  /** Whether the place is the field's name or its value. */
  readonly at: 'key' | 'value';
  /** All flows that it is about: of a loop (the message names a shortest way round), of a program's text (the message names the first). */
  readonly members?: readonly string[];
}

/** Whether `name` is known; adds a finding otherwise. `what` says what kind of name it is. */
export type CheckReference = (
  known: ReadonlyMap<string, unknown>,
  name: string,
  what: Sentence,
  place: FindingPlace,
) => boolean;

/** Makes a finding: an error about a value, unless `more` says otherwise. */
export const finding = (
  code: ProblemCode,
  place: FindingPlace,
  message: Finding['message'],
  more: Partial<Pick<Finding, 'severity' | 'at'>> = {},
): Finding => ({ code, severity: 'error', message, ...place, at: 'value', ...more });

/** A problem as answered: `line` and `column` count from 1; null when the catalogue did not come from files. */
export interface Problem extends Omit<Finding, 'at'> {
  readonly file: string | null;
  readonly line: number | null;
  readonly column: number | null;
}

/**
 * The word of `words` nearest to `word`, or null when none is near: at most a third of its letters, and at most 5, changed, added, lost or
 * swapped. About 3 ms for 13,000 ids.
 */
export function closest(word: string, words: Iterable<string>): string | null {
  const lower = word.toLowerCase();
  let best: string | null = null;
  let least = Math.min(5, Math.max(1, Math.floor(word.length / 3))) + 1;
  for (const candidate of words) {
    if (Math.abs(candidate.length - word.length) >= least) continue;
    const distance = distanceOf(lower, candidate.toLowerCase(), least);
    if (distance >= least) continue;
    best = candidate;
    least = distance;
    if (least <= 1) break;
  }
  return best;
}

/** Edit distance, computed without the common beginning and end of the words: ids of one estate share most of their letters. */
function distanceOf(a: string, b: string, limit: number): number {
  const shorter = Math.min(a.length, b.length);
  let front = 0;
  while (front < shorter && a.charCodeAt(front) === b.charCodeAt(front)) front++;
  let back = 0;
  while (back < shorter - front && a.charCodeAt(a.length - 1 - back) === b.charCodeAt(b.length - 1 - back))
    back++;
  const left = a.slice(front, a.length - back);
  const right = b.slice(front, b.length - back);
  if (left.length === 0 || right.length === 0) return left.length + right.length;
  return edits(left, right, limit);
}

/** `did you mean ...?` in both languages; empty texts when no word is near. */
export function hint(word: string, words: Iterable<string>): { en: string; zh: string } {
  const suggestion = closest(word, words);
  return suggestion === null
    ? { en: '', zh: '' }
    : { en: `; did you mean '${suggestion}'?`, zh: `；是否指 '${suggestion}'？` };
}

/** Edit distance with swaps of neighbours (optimal string alignment), given up at `limit`. */
function edits(a: string, b: string, limit: number): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    let least = i;
    for (let j = 1; j <= b.length; j++) {
      const same = a.charCodeAt(i - 1) === b.charCodeAt(j - 1);
      let cost = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + (same ? 0 : 1));
      const swapped =
        i > 1 &&
        j > 1 &&
        a.charCodeAt(i - 1) === b.charCodeAt(j - 2) &&
        a.charCodeAt(i - 2) === b.charCodeAt(j - 1);
      if (swapped) cost = Math.min(cost, before[j - 2]! + 1);
      row.push(cost);
      if (cost < least) least = cost;
    }
    if (least >= limit) return limit;
    before = previous;
    previous = row;
  }
  return previous[b.length]!;
}

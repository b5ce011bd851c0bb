/** What a new catalogue version would remove; refused unless the request allows it. */

import type { Difference } from '../../contract/catalogue.ts';
import { SluiceError } from '../../errors.ts';
import { canonicalJson } from '../../graph/compiled/hash.ts';
import type { Flow } from '../../graph/model.ts';
import { closest } from '../../graph/text/problems.ts';

/** Maximum number of removed flows named in the text of a refusal; the facts name all. */
const NAMED = 10;
/** Maximum number of removed ids that are compared with every added id. */
const SIMILAR = 30;

type Rename = Difference['renamed'][number];

/**
 * Which removed flow may be which added one: an alias says so, or everything but id and names is the same, or the ids are similar. Each added
 * flow is one of them at most. O(removed + added), and the similar ids of the first few.
 */
export function renamesOf(removed: readonly Flow[], added: readonly Flow[]): Rename[] {
  if (removed.length === 0 || added.length === 0) return [];
  const free = new Map(added.map((flow) => [flow.id, flow]));
  const byAlias = new Map(added.flatMap(({ id, aliases }) => aliases.map((alias) => [alias, id] as const)));
  const byContent = new Map(added.map((flow) => [contentOf(flow), flow.id]));
  let looks = SIMILAR;
  return removed.flatMap((flow): Rename[] => {
    const known = byAlias.get(flow.id) ?? byContent.get(contentOf(flow));
    const to =
      known !== undefined && free.has(known) ? known : looks-- > 0 ? closest(flow.id, free.keys()) : null;
    if (to === null) return [];
    free.delete(to);
    return [{ from: flow.id, to }];
  });
}

/** What was stored has passed through JSON, where undefined fields are absent. */
function contentOf({ id: _, names: __, aliases: ___, ...content }: Flow): string {
  return canonicalJson(JSON.parse(JSON.stringify(content)));
}

/** Throws `removes_flows` when flows or schedules would be removed and the request does not allow it. */
export function requireRemovals(
  { removed, renamed, sections }: Pick<Difference, 'removed' | 'renamed' | 'sections'>,
  allowed: boolean,
): void {
  const schedules = sections
    .filter(({ section, change }) => section === 'schedules' && change === 'removed')
    .map(({ id }) => id);
  if (allowed || removed.length + schedules.length === 0) return;
  const newName = new Map(renamed.map(({ from, to }) => [from, to]));
  const named = removed.map((id) => {
    const to = newName.get(id);
    return to === undefined ? id : `${id} (is it ${to} now?)`;
  });
  const lists = [
    ...(removed.length === 0 ? [] : [`${counted(removed.length, 'flow')}: ${firstOf(named)}`]),
    ...(schedules.length === 0 ? [] : [`${counted(schedules.length, 'schedule')}: ${firstOf(schedules)}`]),
  ];
  throw new SluiceError('removes_flows', `this would remove ${lists.join('; ')}; nothing was changed`, {
    facts: { flows: removed, schedules, renamed },
  });
}

const counted = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

const firstOf = (names: readonly string[]): string =>
  names.length > NAMED
    ? `${names.slice(0, NAMED).join(', ')} and ${names.length - NAMED} more`
    : names.join(', ');

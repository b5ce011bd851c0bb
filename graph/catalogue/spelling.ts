/** Names that differ only in upper and lower case: two names for the engine, usually one for the people who wrote them. Pure. */
import type { Catalogue, Flow } from '../model.ts';
import type { Finding, Path } from '../text/problems.ts';

/** A spelling of a name: where it is written first, and how often. */
class Use {
  uses = 1;
  path: Path = [];
  id = '';

  standsAt(id: string, path: Path): void {
    this.id = id;
    this.path = path;
  }
}

/** Kinds of names in both languages, as messages say them. */
const KINDS = {
  flow: '流程',
  platform: '平台',
  label: '标签',
  lock: '互斥锁',
  pool: '资源池',
  group: '分组',
  owner: '负责人',
  role: '角色',
  event: '事件',
  calendar: '日历',
  procedure: '规程',
  connection: '连接',
  schedule: '调度计划',
} as const;
type Kind = keyof typeof KINDS;

/** Names that the record knows beside the catalogue: platforms and labels of agents, roles of actors. */
export type KnownNames = Partial<Readonly<Record<Kind, Iterable<string>>>>;

/**
 * A warning for each spelling except the usual one: the one that the record knows, else the most frequent one, else the first one. O(names).
 */
export function spellings(catalogue: Catalogue, flows: readonly Flow[], known: KnownNames = {}): Finding[] {
  const names = new Map<Kind, Map<string, Use>>();
  /** The use of a name that was not written so before; null otherwise. */
  const first = (kind: Kind, name: string | undefined): Use | null => {
    if (name === undefined) return null;
    let ofKind = names.get(kind);
    if (ofKind === undefined) {
      ofKind = new Map();
      names.set(kind, ofKind);
    }
    const known = ofKind.get(name);
    if (known !== undefined) {
      known.uses++;
      return null;
    }
    const use = new Use();
    ofKind.set(name, use);
    return use;
  };
  const written = catalogue.flows.length;
  flows.forEach((flow, i) => {
    // Both halves of a distribution are written in one entry.
    const base: Path = i < written ? ['flows', i] : ['distributions', (i - written) >> 1];
    const { id } = flow;
    first('flow', id)?.standsAt(id, [...base, 'id']);
    flow.aliases.forEach((alias, k) => {
      first('flow', alias)?.standsAt(id, [...base, 'aliases', k]);
    });
    first('platform', flow.platform)?.standsAt(id, [...base, 'platform']);
    first('owner', flow.owner)?.standsAt(id, [...base, 'owner']);
    first('event', flow.event)?.standsAt(id, [...base, 'event']);
    first('role', flow.person?.role)?.standsAt(id, [...base, 'person', 'role']);
    flow.labels.forEach((label, k) => {
      first('label', label)?.standsAt(id, [...base, 'labels', k]);
    });
    flow.locks.forEach((lock, k) => {
      first('lock', lock)?.standsAt(id, [...base, 'locks', k]);
    });
    flow.groups.forEach((group, k) => {
      first('group', group)?.standsAt(id, [...base, 'groups', k]);
    });
  });
  catalogue.connections.forEach(({ id, platform }, i) => {
    first('connection', id)?.standsAt(id, ['connections', i, 'id']);
    first('platform', platform)?.standsAt(id, ['connections', i, 'platform']);
  });
  catalogue.pools.forEach(({ id }, i) => {
    first('pool', id)?.standsAt(id, ['pools', i, 'id']);
  });
  catalogue.calendars.forEach(({ id }, i) => {
    first('calendar', id)?.standsAt(id, ['calendars', i, 'id']);
  });
  catalogue.schedules.forEach(({ id }, i) => {
    first('schedule', id)?.standsAt(id, ['schedules', i, 'id']);
  });
  catalogue.procedures.forEach(({ id, owner }, i) => {
    first('procedure', id)?.standsAt(id, ['procedures', i, 'id']);
    first('owner', owner)?.standsAt(id, ['procedures', i, 'owner']);
  });
  return [...names].flatMap(([kind, ofKind]) => {
    const said = new Map<string, string>();
    for (const name of known[kind] ?? []) said.set(name.toLowerCase(), name);
    return [...spelledAlike([...ofKind.keys()], said)].flatMap(([lower, alike]) =>
      unusual(kind, new Map(alike.map((name) => [name, ofKind.get(name)!])), said.get(lower)),
    );
  });
}

/** Names that have other spellings, `said` included, by their lower case. Nearly all of up to 100,000 names have one spelling. */
function spelledAlike(names: readonly string[], said: ReadonlyMap<string, string>): Map<string, string[]> {
  const lower = names.map((name) => name.toLowerCase());
  if (said.size === 0 && new Set(lower).size === names.length) return new Map();
  const once = new Set<string>();
  const several = new Set<string>();
  for (const name of lower) (once.has(name) ? several : once).add(name);
  const alike = names.filter((name, i) => several.has(lower[i]!) || (said.get(lower[i]!) ?? name) !== name);
  return Map.groupBy(alike, (name) => name.toLowerCase());
}

function unusual(kind: Kind, alike: ReadonlyMap<string, Use>, said: string | undefined): Finding[] {
  const usual = said ?? [...alike].reduce((a, b) => (b[1].uses > a[1].uses ? b : a))[0];
  return [...alike]
    .filter(([name]) => name !== usual)
    .map(([name, { path, id }]) => ({
      code: 'spelled_alike' as const,
      severity: 'warning' as const,
      path,
      id,
      at: 'value' as const,
      message: {
        en: `the ${kind} '${name}' and the ${kind} '${usual}' differ in upper and lower case only, and are two; did you mean '${usual}'?`,
        zh: `${KINDS[kind]} '${name}' 与 '${usual}' 仅大小写不同，系统视为两个；是否指 '${usual}'？`,
      },
    }));
}

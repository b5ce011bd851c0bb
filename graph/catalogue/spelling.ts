/** Names that differ only in upper and lower case: two names for the engine, usually one for the people who wrote them. Pure. */
import type { Catalogue, Flow } from '../model.ts';
import type { Finding, Path } from '../text/problems.ts';

/** A spelling of a name: where it is written first, and how often. */
class Use {
  readonly name: string;
  uses = 1;
  path: Path = [];
  id = '';

  constructor(name: string) {
    this.name = name;
  }

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
  // Up to 100,000 names: nearly all have one spelling, so only the others get a map.
  const names = new Map<Kind, Map<string, Use | Map<string, Use>>>();
  /** The use of a name that was not written so before; null otherwise. */
  const first = (kind: Kind, name: string | undefined): Use | null => {
    if (name === undefined) return null;
    let ofKind = names.get(kind);
    if (ofKind === undefined) {
      ofKind = new Map();
      names.set(kind, ofKind);
    }
    const lower = name.toLowerCase();
    const alike = ofKind.get(lower);
    const known = alike instanceof Map ? alike.get(name) : alike?.name === name ? alike : undefined;
    if (known !== undefined) {
      known.uses++;
      return null;
    }
    const use = new Use(name);
    if (alike === undefined) ofKind.set(lower, use);
    else if (alike instanceof Map) alike.set(name, use);
    else ofKind.set(lower, new Map([alike, use].map((one) => [one.name, one])));
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
    return [...ofKind].flatMap(([lower, alike]) => {
      const known = said.get(lower);
      if (alike instanceof Map) return unusual(kind, alike, known);
      return known === undefined || known === alike.name
        ? []
        : unusual(kind, new Map([[alike.name, alike]]), known);
    });
  });
}

function unusual(kind: Kind, alike: ReadonlyMap<string, Use>, said: string | undefined): Finding[] {
  if (alike.size === 1 && (said === undefined || alike.has(said))) return [];
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

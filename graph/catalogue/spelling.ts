/** Names that differ in upper and lower case only: to the engine two names, to who wrote them mostly one. Pure. */
import type { Catalogue, Flow } from '../model.ts';
import type { Finding, Path } from '../text/problems.ts';

interface Use {
  uses: number;
  readonly path: Path;
  readonly id: string;
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

/** What the record knows beside the catalogue: agents say platforms and labels, actors have roles. */
export type KnownNames = Partial<Readonly<Record<Kind, Iterable<string>>>>;

/**
 * For each group of spellings one warning a spelling, but for the usual one: what the record knows, else what is written most often, else
 * what is written first. O(names).
 */
export function spellings(catalogue: Catalogue, flows: readonly Flow[], known: KnownNames = {}): Finding[] {
  const names = new Map<Kind, Map<string, Map<string, Use>>>();
  const use = (kind: Kind, name: string | undefined, id: string, path: Path): void => {
    if (name === undefined) return;
    let ofKind = names.get(kind);
    if (ofKind === undefined) {
      ofKind = new Map();
      names.set(kind, ofKind);
    }
    const lower = name.toLowerCase();
    let alike = ofKind.get(lower);
    if (alike === undefined) {
      alike = new Map();
      ofKind.set(lower, alike);
    }
    const found = alike.get(name);
    if (found === undefined) alike.set(name, { uses: 1, path, id });
    else found.uses++;
  };
  const written = catalogue.flows.length;
  flows.forEach((flow, i) => {
    // The halves of a distribution are written in one entry.
    const base: Path = i < written ? ['flows', i] : ['distributions', (i - written) >> 1];
    const { id } = flow;
    use('flow', id, id, [...base, 'id']);
    flow.aliases.forEach((alias, k) => {
      use('flow', alias, id, [...base, 'aliases', k]);
    });
    use('platform', flow.platform, id, [...base, 'platform']);
    use('owner', flow.owner, id, [...base, 'owner']);
    use('event', flow.event, id, [...base, 'event']);
    use('role', flow.person?.role, id, [...base, 'person', 'role']);
    flow.labels.forEach((label, k) => {
      use('label', label, id, [...base, 'labels', k]);
    });
    flow.locks.forEach((lock, k) => {
      use('lock', lock, id, [...base, 'locks', k]);
    });
    flow.groups.forEach((group, k) => {
      use('group', group, id, [...base, 'groups', k]);
    });
  });
  catalogue.connections.forEach(({ id, platform }, i) => {
    use('connection', id, id, ['connections', i, 'id']);
    use('platform', platform, id, ['connections', i, 'platform']);
  });
  catalogue.pools.forEach(({ id }, i) => {
    use('pool', id, id, ['pools', i, 'id']);
  });
  catalogue.calendars.forEach(({ id }, i) => {
    use('calendar', id, id, ['calendars', i, 'id']);
  });
  catalogue.schedules.forEach(({ id }, i) => {
    use('schedule', id, id, ['schedules', i, 'id']);
  });
  catalogue.procedures.forEach(({ id, owner }, i) => {
    use('procedure', id, id, ['procedures', i, 'id']);
    use('owner', owner, id, ['procedures', i, 'owner']);
  });
  return [...names].flatMap(([kind, ofKind]) => {
    const said = new Map<string, string>();
    for (const name of known[kind] ?? []) said.set(name.toLowerCase(), name);
    return [...ofKind].flatMap(([lower, alike]) => unusual(kind, alike, said.get(lower)));
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

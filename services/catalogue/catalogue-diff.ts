/** Definitions compared: what applying files would change in them. What that touches: services/catalogue/diff-impact.ts. */

import type { Difference } from '../../contract/catalogue.ts';
import { canonicalJson } from '../../graph/compiled/hash.ts';
import type { Flow, Rule } from '../../graph/model.ts';
import { isWhere } from '../../graph/rules/rule-check.ts';
import type { CatalogueVersion, Frame } from '../../store/catalogue/catalogue.ts';
import type { CheckedFiles } from './catalogue-files.ts';
import { renamesOf } from './catalogue-removals.ts';
import { isYaml } from './file-text.ts';

type Edge = Difference['edges']['added'][number];
type SectionChange = Difference['sections'][number];

/** Maximum number of flows named for a change of a pool, a calendar ...; their count is always complete. */
const NAMED = 20;

/** What applying the files would change. O(flows + edges). */
export function diffWith(before: CatalogueVersion | null, now: CheckedFiles): Difference {
  const flows = new Map(now.flows.map((flow) => [flow.id, flow]));
  const old = before?.flows ?? new Map<string, Flow>();
  const changed: Difference['changed'][number][] = [];
  const edges: { added: Edge[]; removed: Edge[] } = { added: [], removed: [] };
  for (const [id, flow] of flows) {
    const was = old.get(id);
    if (was === undefined) continue;
    const change = changeOf(was, flow);
    if (change.fields.length === 0) continue;
    changed.push({ flow: id, ...change });
    if (change.fields.includes('after')) compareEdges(was, flow, edges);
  }
  const programs = new Map(
    now.files.filter((file) => !isYaml(file.path)).map((file) => [file.path, file.text]),
  );
  const oldPrograms = before?.programs ?? new Map<string, string>();
  const added = [...flows.values()].filter(({ id }) => !old.has(id));
  const removed = [...old.values()].filter(({ id }) => !flows.has(id));
  return {
    against: before?.version ?? null,
    added: added.map(({ id }) => id),
    removed: removed.map(({ id }) => id),
    renamed: renamesOf(removed, added),
    changed,
    edges,
    frame: before === null ? [] : changeOf(allSections(before.frame, now.frame), now.frame).fields,
    sections: before === null ? [] : sectionChanges(before, now),
    programs: [...new Set([...programs.keys(), ...oldPrograms.keys()])]
      .filter((path) => before !== null && programs.get(path) !== oldPrograms.get(path))
      .sort(),
  };
}

/** The sections of a version; one that was stored before a section existed has it empty. */
const allSections = (frame: Frame, now: Frame): Frame => ({
  ...Object.fromEntries(Object.keys(now).map((section) => [section, []])),
  ...frame,
});

interface Change {
  readonly fields: string[];
  readonly before: Record<string, unknown>;
  readonly after: Record<string, unknown>;
}

/** Keys whose values differ, and the values, null for none. */
function changeOf(a: object, b: object): Change {
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  const fields = [...new Set([...Object.keys(left), ...Object.keys(right)])]
    .filter((key) => !isSame(left[key], right[key]))
    .sort();
  const values = (of: Record<string, unknown>) =>
    Object.fromEntries(fields.map((key) => [key, of[key] ?? null]));
  return { fields, before: values(left), after: values(right) };
}

/** What was stored has passed through JSON, where undefined fields are absent. */
function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a))
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => isSame(item, b[i]));
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  if (Array.isArray(b)) return false;
  for (const key in left) if (!isSame(left[key], right[key])) return false;
  for (const key in right) if (right[key] !== undefined && left[key] === undefined) return false;
  return true;
}

/** Edges into a flow that is in both versions, whatever their order. */
function compareEdges(was: Flow, flow: Flow, edges: { added: Edge[]; removed: Edge[] }): void {
  const of = ({ id, after }: Flow): Map<string, Edge> =>
    new Map(
      after.map((edge) => [
        canonicalJson(edge),
        { from: edge.from, to: id, period: edge.period, cycle: edge.cycle ?? null },
      ]),
    );
  const [left, right] = [of(was), of(flow)];
  for (const [key, edge] of left) if (!right.has(key)) edges.removed.push(edge);
  for (const [key, edge] of right) if (!left.has(key)) edges.added.push(edge);
}

type Section = Exclude<keyof Frame, never>;

/** Changed entries of all sections other than flows, with the flows that each concerns. O(flows) for each entry. */
function sectionChanges(before: CatalogueVersion, now: CheckedFiles): SectionChange[] {
  const all = new Map([...before.flows, ...now.flows.map((flow) => [flow.id, flow] as const)]);
  const schedules = [...before.frame.schedules, ...now.frame.schedules];
  return (Object.keys(now.frame) as Section[]).sort().flatMap((section): SectionChange[] => {
    const byId = (frame: Frame): Map<string, object> =>
      // A version that was stored before the section existed lacks it.
      new Map((frame[section] ?? []).map((entry) => [entry.id, entry]));
    const [left, right] = [byId(before.frame), byId(now.frame)];
    return [...new Set([...left.keys(), ...right.keys()])].sort().flatMap((id): SectionChange[] => {
      const [was, is] = [left.get(id), right.get(id)];
      const change = changeOf(was ?? {}, is ?? {});
      if (change.fields.length === 0) return [];
      const concerned = [...all.values()].filter((flow) => concerns({ section, id, was, is }, flow));
      const opens = schedules.filter((schedule) =>
        section === 'schedules' ? schedule.id === id : section === 'calendars' && schedule.calendar === id,
      );
      return [
        {
          section,
          id,
          change: was === undefined ? 'added' : is === undefined ? 'removed' : 'changed',
          ...change,
          flows: concerned.length,
          named: concerned.slice(0, NAMED).map((flow) => flow.id),
          schedules: [...new Set(opens.map((schedule) => schedule.id))],
        },
      ];
    });
  });
}

interface ChangedEntry {
  readonly section: Section;
  readonly id: string;
  readonly was: object | undefined;
  readonly is: object | undefined;
}

function concerns({ section, id, was, is }: ChangedEntry, flow: Flow): boolean {
  switch (section) {
    case 'pools':
      return flow.uses.some(({ pool }) => pool === id);
    case 'calendars':
      return flow.calendar === id;
    case 'procedures':
      return flow.procedure === id;
    case 'cycles':
      return flow.cycle === id;
    case 'connections':
      return connectionsOf(flow).includes(id);
    case 'schedules':
      return [was, is].some((entry) => isOpenedBy(entry as Frame['schedules'][number] | undefined, flow));
    case 'loadTables':
      return [was, is].some((entry) =>
        (entry as Frame['loadTables'][number] | undefined)?.interfaces.includes(flow.interface?.no ?? ''),
      );
    case 'rules':
      return [was, is].some((entry) => entry !== undefined && isWhere((entry as Rule).where, flow));
    default:
      return section satisfies never;
  }
}

/** Whether runs that the schedule opens have the flow. */
export function isOpenedBy(schedule: Frame['schedules'][number] | undefined, flow: Flow): boolean {
  if (schedule === undefined || schedule.cycle !== flow.cycle) return false;
  return schedule.procedures?.includes(flow.procedure ?? '') ?? true;
}

/** Names of the connections that the program of a flow uses. */
export function connectionsOf({ program }: Pick<Flow, 'program'>): string[] {
  switch (program?.type) {
    case 'sql':
      return program.connection === undefined ? [] : [program.connection];
    case 'export':
      return [program.from.connection, program.to.connection];
    case 'import':
      return [program.to.connection];
    default:
      return [];
  }
}

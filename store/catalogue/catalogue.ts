/** Versions of the catalogue as the record keeps them: the files as given, and what the compiler made of them. */

import type pg from 'pg';
import { SluiceError } from '../../errors.ts';
import { Openings } from '../../graph/calendar/openings.ts';
import { type BusinessCalendar, DEFAULT_CALENDAR } from '../../graph/calendar/work-days.ts';
import { type CompactGraph, type Graph, inflate } from '../../graph/compiled/compact.ts';
import { compact, type Defaults } from '../../graph/compiled/compile.ts';
import type { Catalogue, Cycle, Flow } from '../../graph/model.ts';
import type { UsualTimes } from '../../graph/usual/usual-times.ts';
import type { Queryable } from '../schema/pool.ts';
import { flowReader } from '../schema/shared-parts.ts';
import { keepSchedules } from './keep-schedules.ts';
import { type Binds, bindsOf } from './work.ts';

export interface CatalogueFile {
  readonly path: string;
  readonly text: string;
}

/** Everything of a catalogue but its flows. */
export type Frame = Omit<Catalogue, 'flows' | 'distributions'>;

/** The graph of the runs of one cycle: the same objects for all of them. */
export interface CycleGraph {
  readonly compact: CompactGraph;
  readonly graph: Graph;
  /** Flow id -> vertex. */
  readonly index: ReadonlyMap<string, number>;
  /** What is usual for its flows, by class of day, as store/record/usual-times.ts last read it. */
  readonly usual: Map<string, KeptUsual>;
}

export interface KeptUsual {
  readonly times: UsualTimes;
  /** Moment of the learning that it is from, ms; 0 = nothing was learned yet. */
  readonly learnedAt: number;
  /** When it was last compared with the record (performance.now). */
  lookedAt: number;
}

export interface CatalogueVersion {
  readonly version: number;
  readonly hash: string;
  readonly frame: Frame;
  readonly flows: ReadonlyMap<string, Flow>;
  /** Path -> text of the files that are no YAML, which agents get. Empty when the reader was made without them. */
  readonly programs: ReadonlyMap<string, string>;
  /** Which periods schedules open (protocol D10); null: the version was stored before periods followed schedules, and every period counts. */
  readonly openings: Openings | null;
  /** Names that the texts of fenced programs bind, as they were when the version was applied (protocol C6). */
  readonly binds: Binds;
  /** Compiled when it is first asked for. */
  graphOf(cycle: Cycle): CycleGraph;
}

export interface VersionRow {
  readonly version: number;
  readonly hash: string;
  readonly mode: 'apply' | 'import';
  readonly createdBy: string;
  readonly createdAt: number;
  readonly flowCount: number;
}

/**
 * Stores a new version; the same hash as the newest one gives that version back. Pools take their sizes from it, schedules begin and end with it.
 * `base` is the version that the caller has compared with (null: there was none): another newest one is refused with `catalogue_changed`, so
 * that of two that apply at once exactly one does. Left out, nothing is compared.
 */
export async function saveVersion(
  client: Queryable,
  given: {
    base?: number | null | undefined;
    hash: string;
    mode: 'apply' | 'import';
    actor: string;
    files: readonly CatalogueFile[];
    frame: Frame;
    flows: readonly Flow[];
  },
): Promise<{ version: number; created: boolean }> {
  await client.query("select pg_advisory_xact_lock(hashtext('sluice.catalogue'))");
  const newest = await newestRow(client);
  // The same files mean something else in a version from before protocol D10, where schedules leave periods out.
  const same = newest?.hash === given.hash && (newest.opened || given.frame.schedules.length === 0);
  if (newest !== null && same) return { version: newest.version, created: false };
  if (given.base !== undefined && given.base !== (newest?.version ?? null)) throw changed(given.base, newest);
  const version = (newest?.version ?? 0) + 1;
  const texts = new Map(given.files.map((file) => [file.path, file.text]));
  await client.query(
    `insert into catalogue_versions (version, hash, mode, created_by, created_ms, files, frame, flows, flow_count, binds, opened_periods)
     values ($1, $2, $3, $4, clock_ms(), $5, $6, $7, $8, $9, true)`,
    [
      version,
      given.hash,
      given.mode,
      given.actor,
      JSON.stringify(given.files),
      JSON.stringify(given.frame),
      JSON.stringify(given.flows),
      given.flows.length,
      JSON.stringify(bindsOf(given.flows, (path) => texts.get(path))),
    ],
  );
  await client.query(
    `insert into pools (name, size) select name, size from unnest($1::text[], $2::int[]) as x (name, size)
     on conflict (name) do update set size = excluded.size`,
    [given.frame.pools.map((p) => p.id), given.frame.pools.map((p) => p.size)],
  );
  await keepSchedules(client, given.frame.schedules);
  return { version, created: true };
}

/** Throws `catalogue_changed` unless `base` is the newest version (null: there is none yet). */
export async function requireNewest(client: Queryable, base: number | null): Promise<void> {
  const newest = await newestRow(client);
  if (base !== (newest?.version ?? null)) throw changed(base, newest);
}

interface NewestRow extends Pick<VersionRow, 'version' | 'hash' | 'createdBy' | 'createdAt'> {
  /** Whether it was stored under protocol D10. */
  readonly opened: boolean;
}

async function newestRow(client: Queryable): Promise<NewestRow | null> {
  const found = await client.query<NewestRow>(
    `select version, hash, created_by as "createdBy", created_ms as "createdAt", opened_periods as opened
     from catalogue_versions order by version desc limit 1`,
  );
  return found.rows[0] ?? null;
}

function changed(base: number | null, newest: NewestRow | null): SluiceError {
  const from = base === null ? 'no version' : `version ${base}`;
  const now =
    newest === null ? 'there is none' : `version ${newest.version} by ${newest.createdBy} is the newest`;
  return new SluiceError('catalogue_changed', `this was made from ${from}, but ${now}; nothing was changed`, {
    facts: {
      baseVersion: base,
      version: newest?.version ?? null,
      createdBy: newest?.createdBy ?? null,
      createdAt: newest?.createdAt ?? null,
    },
  });
}

export async function newestVersion(client: Queryable): Promise<number | null> {
  const found = await client.query<{ version: number | null }>(
    'select max(version) as version from catalogue_versions',
  );
  return found.rows[0]?.version ?? null;
}

/** Roles that flows of the newest version ask a person for, by name. */
export async function confirmingRoles(client: Queryable): Promise<string[]> {
  const found = await client.query<{ role: string }>(
    `select distinct flow->'person'->>'role' as role from catalogue_versions, json_array_elements(flows) as flow
     where version = (select max(version) from catalogue_versions) and flow->'person' is not null order by 1`,
  );
  return found.rows.map((row) => row.role);
}

export async function listVersions(client: Queryable): Promise<VersionRow[]> {
  const found = await client.query<VersionRow>(
    `select version, hash, mode, created_by as "createdBy", created_ms as "createdAt", flow_count as "flowCount"
     from catalogue_versions order by version desc limit 200`,
  );
  return found.rows;
}

/** Versions kept in memory. */
const KEEP = 4;

/**
 * Reads versions and keeps the newest used ones: they never change. `defaults` are compiled into their graphs, so a coordinator has those
 * with which it loaded its run. `programs` false: without the texts of programs, which only the agents' claims need.
 */
export function versionReader(
  pool: pg.Pool,
  defaults?: Defaults,
  { programs = true }: { readonly programs?: boolean } = {},
): (version: number) => Promise<CatalogueVersion> {
  const cache = new Map<number, Promise<CatalogueVersion>>();
  return (version) => {
    let entry = cache.get(version);
    if (entry === undefined) {
      entry = readVersion(pool, version, defaults, programs);
      entry.catch(() => cache.delete(version));
    }
    // Move to the end: the first key is the least recently used.
    cache.delete(version);
    cache.set(version, entry);
    if (cache.size > KEEP) cache.delete(cache.keys().next().value!);
    return entry;
  };
}

/** The files of a version as they were given, and by which rules. Throws `unknown_version`. */
export async function readFiles(
  client: Queryable,
  version: number,
): Promise<{ files: CatalogueFile[]; mode: 'apply' | 'import' }> {
  const found = await client.query<{ files: CatalogueFile[]; mode: 'apply' | 'import' }>(
    'select files, mode from catalogue_versions where version = $1',
    [version],
  );
  const row = found.rows[0];
  if (row === undefined) throw unknownVersion(version);
  return row;
}

async function readVersion(
  pool: pg.Pool,
  version: number,
  defaults: Defaults | undefined,
  withPrograms: boolean,
): Promise<CatalogueVersion> {
  const found = await pool.query<{ hash: string; frame: Frame; opened: boolean; binds: Binds | null }>(
    'select hash, frame, opened_periods as opened, binds from catalogue_versions where version = $1',
    [version],
  );
  const row = found.rows[0];
  if (row === undefined) throw unknownVersion(version);
  const flows = await readFlows(pool, version);
  const texts = withPrograms || row.binds === null ? await readPrograms(pool, version) : null;
  // A version of before: its texts have not changed since.
  const binds = row.binds ?? bindsOf(flows, (path) => texts?.get(path));
  const programs = withPrograms && texts !== null ? texts : new Map<string, string>();
  const { hash, frame, opened } = row;
  return compiled({ version, hash, frame, flows, programs, binds, opened }, defaults);
}

/** A version as everything reads one, also of a catalogue that is not stored (its number is 0): graphs are made when they are first asked for. */
export function compiled(
  given: Pick<CatalogueVersion, 'version' | 'hash' | 'frame' | 'programs' | 'binds'> & {
    readonly flows: readonly Flow[];
    /** Whether edges count the periods that schedules open (protocol D10): of a version stored before that rule they count every period. */
    readonly opened: boolean;
  },
  defaults?: Defaults,
): CatalogueVersion {
  const graphs = new Map<Cycle, CycleGraph>();
  const { version, hash, frame, programs, binds } = given;
  const openings = given.opened ? new Openings(frame) : null;
  return {
    version,
    hash,
    frame,
    programs,
    binds,
    openings,
    flows: new Map(given.flows.map((flow) => [flow.id, flow])),
    graphOf(cycle) {
      let known = graphs.get(cycle);
      if (known === undefined) {
        const json = compact(given.flows, cycle, defaults, openings);
        const graph = inflate(json, openings);
        known = { compact: json, graph, index: graph.index, usual: new Map() };
        graphs.set(cycle, known);
      }
      return known;
    },
  };
}

/**
 * A row a flow, each read as it arrives: as one value, 13,000 flows left 70 MB of buffers and text behind in a process that needs 10 MB
 * for them.
 */
async function readFlows(pool: pg.Pool, version: number): Promise<Flow[]> {
  const read = flowReader();
  const found = await pool.query<[Flow]>({
    text: `select f.flow from catalogue_versions c, json_array_elements(c.flows) with ordinality as f (flow, place)
      where c.version = $1 order by f.place`,
    values: [version],
    rowMode: 'array',
    types: { getTypeParser: () => read },
  });
  return found.rows.map(([flow]) => flow);
}

async function readPrograms(pool: pg.Pool, version: number): Promise<Map<string, string>> {
  const found = await pool.query<{ path: string; text: string }>(
    `select f->>'path' as path, f->>'text' as text from catalogue_versions c, json_array_elements(c.files) f
     where c.version = $1 and f->>'path' !~* '\\.ya?ml$'`,
    [version],
  );
  return new Map(found.rows.map(({ path, text }) => [path, text]));
}

const unknownVersion = (version: number): SluiceError =>
  new SluiceError('unknown_version', `there is no catalogue version ${version}`, { facts: { version } });

/** Calendars of a version by id; without one, or for an unknown one, weekends of Asia/Shanghai. */
export function calendarsOf({
  frame,
}: CatalogueVersion): (id: string | null | undefined) => BusinessCalendar {
  const byId = new Map<string, BusinessCalendar>(frame.calendars.map((calendar) => [calendar.id, calendar]));
  return (id) => byId.get(id ?? '') ?? DEFAULT_CALENDAR;
}

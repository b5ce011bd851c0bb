/** Versions of the catalogue as the record keeps them: the files as given, and what the compiler made of them. */
import type pg from 'pg';
import { SluiceError } from '../errors.ts';
import type { CompactGraph } from '../graph/compact.ts';
import { compact, type Defaults } from '../graph/compile.ts';
import type { Catalogue, Cycle, Flow } from '../graph/model.ts';
import type { Queryable } from './pool.ts';
import { keepSchedules } from './schedules.ts';

export interface CatalogueFile {
  readonly path: string;
  readonly text: string;
}

/** Everything of a catalogue but its flows. */
export type Frame = Omit<Catalogue, 'flows' | 'distributions'>;

export interface CatalogueVersion {
  readonly version: number;
  readonly hash: string;
  readonly frame: Frame;
  readonly flows: ReadonlyMap<string, Flow>;
  readonly files: ReadonlyMap<string, string>;
  /** Graph of the runs of one cycle; compiled once. */
  graphOf(cycle: Cycle): CompactGraph;
}

export interface VersionRow {
  readonly version: number;
  readonly hash: string;
  readonly mode: 'apply' | 'import';
  readonly createdBy: string;
  readonly createdAt: number;
  readonly flowCount: number;
}

/** Stores a new version; the same hash as the newest one gives that version back. Pools take their sizes from it, schedules begin and end with it. */
export async function saveVersion(
  client: Queryable,
  given: {
    hash: string;
    mode: 'apply' | 'import';
    actor: string;
    files: readonly CatalogueFile[];
    frame: Frame;
    flows: readonly Flow[];
  },
): Promise<{ version: number; created: boolean }> {
  await client.query("select pg_advisory_xact_lock(hashtext('sluice.catalogue'))");
  const last = await client.query<{ version: number; hash: string }>(
    'select version, hash from catalogue_versions order by version desc limit 1',
  );
  const newest = last.rows[0];
  if (newest !== undefined && newest.hash === given.hash) return { version: newest.version, created: false };
  const version = (newest?.version ?? 0) + 1;
  await client.query(
    `insert into catalogue_versions (version, hash, mode, created_by, created_ms, files, frame, flows, flow_count)
     values ($1, $2, $3, $4, clock_ms(), $5, $6, $7, $8)`,
    [
      version,
      given.hash,
      given.mode,
      given.actor,
      JSON.stringify(given.files),
      JSON.stringify(given.frame),
      JSON.stringify(given.flows),
      given.flows.length,
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

export async function newestVersion(client: Queryable): Promise<number | null> {
  const found = await client.query<{ version: number | null }>(
    'select max(version) as version from catalogue_versions',
  );
  return found.rows[0]?.version ?? null;
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
 * with which it loaded its run.
 */
export function versionReader(
  pool: pg.Pool,
  defaults?: Defaults,
): (version: number) => Promise<CatalogueVersion> {
  const cache = new Map<number, Promise<CatalogueVersion>>();
  return (version) => {
    let entry = cache.get(version);
    if (entry === undefined) {
      entry = readVersion(pool, version, defaults);
      entry.catch(() => cache.delete(version));
    }
    // Move to the end: the first key is the least recently used.
    cache.delete(version);
    cache.set(version, entry);
    if (cache.size > KEEP) cache.delete(cache.keys().next().value!);
    return entry;
  };
}

async function readVersion(
  pool: pg.Pool,
  version: number,
  defaults: Defaults | undefined,
): Promise<CatalogueVersion> {
  const found = await pool.query<{ hash: string; files: CatalogueFile[]; frame: Frame; flows: Flow[] }>(
    'select hash, files, frame, flows from catalogue_versions where version = $1',
    [version],
  );
  const row = found.rows[0];
  if (row === undefined)
    throw new SluiceError('unknown_version', `there is no catalogue version ${version}`, {
      facts: { version },
    });
  const graphs = new Map<Cycle, CompactGraph>();
  return {
    version,
    hash: row.hash,
    frame: row.frame,
    flows: new Map(row.flows.map((flow) => [flow.id, flow])),
    files: new Map(row.files.map((file) => [file.path, file.text])),
    graphOf(cycle) {
      let graph = graphs.get(cycle);
      if (graph === undefined) {
        graph = compact(row.flows, cycle, defaults);
        graphs.set(cycle, graph);
      }
      return graph;
    },
  };
}

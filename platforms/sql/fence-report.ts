/**
 * Whose works the fences of this agent's databases hold, for `sluice doctor`: rows of a record that the API does not know belong to another
 * installation. It also deletes rows that can never matter again (protocol C6).
 *
 * One look reads one page of the table in the order of its key, and the next look goes on behind it. Keys are hashes, so any page is a
 * fair sample of all works: an installation with one work in a thousand is already in the first page.
 */
import type { Connections } from './connections.ts';
import { withControl } from './control.ts';

interface FenceReport {
  connection: string;
  /** By record: how many works, and the largest epoch among them. */
  records: { record: string; works: number; newest: number }[];
}

export interface FencesFound {
  readonly reports: FenceReport[];
  /** Runs of the agent's own record in these pages. The API says which of them have left the record. */
  readonly runs: string[];
}

export interface Fences {
  /** Uses one short connection for each database. Databases that cannot be reached or have no fence are left out. `record`: the agent's own. */
  look(record: string | undefined): Promise<FencesFound>;
  /** Deletes the rows of these runs of the record that the last look saw. */
  forget(record: string, runs: readonly string[]): Promise<void>;
}

/** Works read in one look, which takes 130 ms in a table of 2 million. The looks of a day read a hundred times as many works as an estate of 13,000 adds. */
const PAGE = 10_000;
/** Timeout of the statements of a look, ms. */
const LOOK_MS = 5_000;
/** Records that are reported of one database; those with the most works come first. */
const RECORDS = 20;
/** Runs that one look reports. */
const RUNS = 1_000;

const READ = `
with page as materialized (select work, record, run, epoch from sluice.sluice_work where work > $1 order by work limit $2)
select record, run, count(*)::int as works, max(epoch) as newest, (select max(work) from page) as last, (select count(*)::int from page) as size
from page group by record, run`;

/**
 * A row that an attempt holds now is skipped. A row with an epoch above `$5` was taken since the look, by a run that was opened again
 * under the name of an archived one.
 */
const FORGET = `
delete from sluice.sluice_work where work in (
  select work from sluice.sluice_work where work > $1 and work <= $2 and record = $3 and run = any($4::text[]) and epoch <= $5
  for update skip locked)`;

interface Row {
  record: string;
  run: string;
  works: number;
  newest: string;
  last: string;
  size: number;
}

type Counts = Map<string, { works: number; newest: number }>;

/** How far the looks at one table have come. */
interface Place {
  /** Key behind which the next page begins. */
  after: string;
  /** Of the round through the table that is under way, and of the one before. */
  counts: Counts;
  before: Counts;
  page?: { readonly from: string; readonly to: string; readonly newest: string };
}

/** `page`: works read in one look. */
export function fencesOf(connections: Connections, page = PAGE): Fences {
  const places = new Map<string, Place>();

  async function lookAt(connection: string, url: string): Promise<{ rows: Row[]; place: Place } | null> {
    const rows = await withControl(url, async (client) => {
      await client.query(`set statement_timeout = ${LOOK_MS}`);
      const found = await client.query<{ there: boolean }>(
        "select to_regclass('sluice.sluice_work') is not null as there",
      );
      if (!found.rows[0]!.there) return null;
      return (await client.query<Row>(READ, [places.get(connection)?.after ?? '', page])).rows;
    });
    if (rows === null) return null;
    const place = places.get(connection) ?? { after: '', counts: new Map(), before: new Map() };
    places.set(connection, place);
    turn(place, rows, page);
    return { rows, place };
  }

  return {
    async look(record) {
      const seen = await Promise.all(
        Object.entries(connections).map(async ([connection, url]) => {
          const found = await lookAt(connection, url).catch(() => null);
          return found === null ? [] : [{ connection, ...found }];
        }),
      );
      const own = seen.flat().flatMap(({ rows }) => rows.filter((row) => row.record === record));
      return {
        reports: seen.flat().map(({ connection, place }) => ({ connection, records: recordsOf(place) })),
        runs: [...new Set(own.map(({ run }) => run))].slice(0, RUNS),
      };
    },
    async forget(record, runs) {
      await Promise.all(
        Object.entries(connections).map(async ([connection, url]) => {
          const seen = places.get(connection)?.page;
          if (seen === undefined) return;
          await withControl(url, async (client) => {
            await client.query(`set statement_timeout = ${LOOK_MS}`);
            await client.query(FORGET, [seen.from, seen.to, record, runs, seen.newest]);
          });
        }),
      );
    },
  };
}

/** Counts a page; one that is not full ends the round. */
function turn(place: Place, rows: readonly Row[], page: number): void {
  const { last, size } = rows[0] ?? { last: '', size: 0 };
  const newest = rows.reduce(
    (largest, row) => (BigInt(row.newest) > largest ? BigInt(row.newest) : largest),
    0n,
  );
  place.page = { from: place.after, to: last, newest: String(newest) };
  for (const row of rows) {
    const known = place.counts.get(row.record) ?? { works: 0, newest: Number.MIN_SAFE_INTEGER };
    place.counts.set(row.record, {
      works: known.works + row.works,
      newest: Math.min(Math.max(known.newest, Number(row.newest)), Number.MAX_SAFE_INTEGER),
    });
  }
  const isOver = size < page;
  if (isOver) {
    place.before = place.counts;
    place.counts = new Map();
  }
  place.after = isOver ? '' : last;
}

/** What the round before has counted, or this one if that is more: rows found once are not lost from sight before the round is over. */
function recordsOf({ counts, before }: Place): FenceReport['records'] {
  const all = [...new Set([...before.keys(), ...counts.keys()])].map((record) => {
    const [a, b] = [before.get(record), counts.get(record)];
    return {
      record: record.slice(0, 100),
      works: Math.max(a?.works ?? 0, b?.works ?? 0),
      newest: Math.max(a?.newest ?? 0, b?.newest ?? 0),
    };
  });
  return all.sort((a, b) => b.works - a.works).slice(0, RECORDS);
}

/** Whose works the fences of this agent's databases hold, for `sluice doctor`: rows of records that the API does not know are a stranger's. */
import type { Connections } from './connections.ts';
import { withControl } from './control.ts';

interface FenceReport {
  connection: string;
  /** By record: how many works, and the largest epoch among them. */
  records: { record: string; works: number; newest: number }[];
}

/** A table of millions of works is not read to its end for this. */
const LOOK_MS = 5_000;
/** Records named of one database, those with the most works first. */
const RECORDS = 20;

/** One short connection for each database; those that cannot be reached or have no fence are left out. */
export async function readFences(connections: Connections): Promise<FenceReport[]> {
  const reports = await Promise.all(
    Object.entries(connections).map(([connection, url]) =>
      withControl(url, async (client): Promise<FenceReport | null> => {
        await client.query(`set statement_timeout = ${LOOK_MS}`);
        const found = await client.query<{ there: boolean }>(
          "select to_regclass('sluice.sluice_work') is not null as there",
        );
        if (!found.rows[0]!.there) return null;
        const { rows } = await client.query<{ record: string; works: number; newest: string }>(
          `select record, count(*)::int as works, max(epoch) as newest from sluice.sluice_work
           group by record order by works desc limit ${RECORDS}`,
        );
        return {
          connection,
          records: rows.map(({ record, works, newest }) => ({
            record: record.slice(0, 100),
            works,
            newest: Math.min(Number(newest), Number.MAX_SAFE_INTEGER),
          })),
        };
      }).catch(() => null),
    ),
  );
  return reports.filter((report) => report !== null);
}

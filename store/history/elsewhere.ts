/** Whether a flow that a run does not contain stands anywhere else. */
import type { Elsewhere } from '../../graph/why/absent.ts';
import type { RunContext } from '../record/run-context.ts';
import type { Queryable } from '../schema/pool.ts';

/** How many of the newest catalogue versions are searched: each is read as a whole. */
const VERSIONS = 5;

/** Null when no version that was searched has it. O(flows of the searched versions). */
export async function findElsewhere(
  client: Queryable,
  { run, version }: RunContext,
  flow: string,
): Promise<Elsewhere | null> {
  const own = version.flows.get(flow);
  if (own !== undefined) return { in: 'other_cycle', cycle: own.cycle };
  const found = await client.query<{ version: number }>(
    `select version from (select version, flows from catalogue_versions where version <> $1 order by version desc limit ${VERSIONS}) c
     where exists (select 1 from json_array_elements(c.flows) f where f->>'id' = $2) order by version desc limit 1`,
    [run.catalogueVersion, flow],
  );
  const other = found.rows[0]?.version;
  if (other === undefined) return null;
  return {
    in: other > run.catalogueVersion ? 'newer_version' : 'older_version',
    version: other,
    runs: run.catalogueVersion,
  };
}

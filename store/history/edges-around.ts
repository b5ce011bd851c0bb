/** Edges between runs, for lists that go over the border of a run. */
import type { Queryable } from '../schema/pool.ts';

/** An edge from one run to another. */
export interface RunEdge {
  readonly run: string;
  readonly flow: string;
  readonly upstreamRun: string;
  readonly upstream: string;
}

/** Edges between these runs and others that are there: `down` to those that wait for them, `up` to those for which they still wait. Not to rehearsals. */
export async function edgesToRuns(
  client: Queryable,
  runs: readonly string[],
  direction: 'up' | 'down',
): Promise<RunEdge[]> {
  const columns =
    's.run_id as run, s.flow_id as flow, s.upstream_run as "upstreamRun", s.upstream_flow as upstream';
  const found = await client.query<RunEdge>(
    direction === 'up'
      ? `select ${columns} from subscriptions s join runs r on r.id = s.upstream_run
         where s.run_id = any($1::text[]) and s.released_ms is null and r.purpose <> 'rehearsal' order by 3, 4, 1, 2`
      : `select ${columns} from subscriptions s join runs r on r.id = s.run_id
         where s.upstream_run = any($1::text[]) and r.purpose <> 'rehearsal' order by 1, 2, 3, 4`,
    [runs],
  );
  return found.rows;
}

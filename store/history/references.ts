/** Earlier runs that a run may be compared with. Reading only. */
import type { Cycle } from '../../graph/model.ts';
import type { Queryable } from '../schema/pool.ts';

export interface EarlierEnd {
  readonly run: string;
  readonly period: string;
  /** When the flow was done, ms. */
  readonly endedAt: number;
}

/** Scheduled runs of periods before `period` in which the flow was done (succeeded, skipped or passed), newest first. */
export async function earlierEnds(
  client: Queryable,
  asked: { readonly cycle: Cycle; readonly period: string; readonly flow: string; readonly limit: number },
): Promise<EarlierEnd[]> {
  const found = await client.query<EarlierEnd>({
    name: 'earlier-ends',
    text: `select r.id as run, r.period, f.result_ms as "endedAt" from runs r
      join run_flows f on f.run_id = r.id and f.flow_id = $3
      where r.cycle = $1 and r.purpose = 'scheduled' and r.period < $2 and f.result in ('succeeded', 'skipped', 'force_passed')
      order by r.period desc limit $4`,
    values: [asked.cycle, asked.period, asked.flow, asked.limit],
  });
  return found.rows;
}

/** When the scheduled runs of the latest periods before `period` were opened, ms, newest first. */
export async function earlierOpenings(
  client: Queryable,
  asked: { readonly cycle: Cycle; readonly period: string; readonly limit: number },
): Promise<{ readonly period: string; readonly openedAt: number }[]> {
  const found = await client.query<{ period: string; openedAt: number }>({
    name: 'earlier-openings',
    text: `select period, opened_ms as "openedAt" from runs where cycle = $1 and purpose = 'scheduled' and period < $2
      order by period desc limit $3`,
    values: [asked.cycle, asked.period, asked.limit],
  });
  return found.rows;
}

/** Whether a run was done, and each of its flows exactly once: by the record, and by the fences of the platforms (protocol C3, C6). */
import type pg from 'pg';

export interface Once {
  readonly run: string;
  readonly flows: number;
  /** Attempts of all flows; those beyond one a flow had been lost with their agent, or given back before they began. */
  readonly attempts: number;
  readonly lost: number;
  readonly requeued: number;
  /** Programs and copies whose effect stands on a platform, each under the epoch that the record accepted. */
  readonly fenced: number;
}

/** Asked when the run is finished and no other of its period has begun. `problems`: what is not as it should be. */
export async function doneOnce(
  record: pg.Pool,
  platforms: ReadonlyMap<string, pg.Pool>,
  run: string,
): Promise<Once & { readonly problems: readonly string[] }> {
  const problems: string[] = [];
  const flows = await record.query<{ flow_id: string; result: string | null; generation: number }>(
    'select flow_id, result, generation from run_flows where run_id = $1',
    [run],
  );
  for (const { flow_id, result, generation } of flows.rows)
    if (result !== 'succeeded' || generation !== 1)
      problems.push(`${run} ${flow_id}: ${result ?? 'no result'}, generation ${generation}`);

  const attempts = await record.query<{ flow_id: string; epoch: string; outcome: string | null }>(
    'select flow_id, epoch, outcome from attempts where run_id = $1 order by epoch',
    [run],
  );
  const succeeded = new Map<string, string>();
  for (const { flow_id, epoch, outcome } of attempts.rows) {
    if (outcome === null) problems.push(`${run} ${flow_id}: attempt ${epoch} has no end`);
    if (outcome !== 'succeeded') continue;
    if (succeeded.has(flow_id)) problems.push(`${run} ${flow_id} succeeded twice`);
    succeeded.set(flow_id, epoch);
  }
  const log = await record.query<{ sound: boolean }>(
    `select c.log_seq = c.cursor and c.log_seq = (select count(*) from run_log l where l.run_id = c.run_id) as sound
     from run_counters c where run_id = $1`,
    [run],
  );
  if (log.rows[0]?.sound !== true) problems.push(`the log of ${run} has gaps or was not read to its end`);
  const leases = await record.query('select 1 from leases where run_id = $1', [run]);
  if (leases.rowCount !== 0) problems.push(`${run} has ${leases.rowCount} leases left`);

  const accepted = new Set(succeeded.values());
  let fenced = 0;
  for (const [platform, pool] of platforms) {
    const there = await pool.query<{ there: boolean }>(
      "select to_regclass('sluice.sluice_work') is not null as there",
    );
    if (!there.rows[0]!.there) continue;
    const fences = await pool.query<{ flow: string; epoch: string; done: boolean }>(
      'select flow, epoch, done from sluice.sluice_work where run = $1',
      [run],
    );
    for (const { flow, epoch, done } of fences.rows) {
      fenced++;
      if (!done) problems.push(`${run} ${flow}: taken on ${platform}, and its effect is not there`);
      else if (!accepted.has(epoch))
        problems.push(`${run} ${flow}: the effect on ${platform} is of ${epoch}, which was not accepted`);
    }
  }
  const count = (outcome: string): number => attempts.rows.filter((row) => row.outcome === outcome).length;
  return {
    run,
    flows: flows.rows.length,
    attempts: attempts.rows.length,
    lost: count('lost'),
    requeued: count('requeued'),
    fenced,
    problems,
  };
}

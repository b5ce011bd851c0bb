/** What the fence on a platform needs to know of this record's own attempts (protocol C6). Read in the transaction of the claim. */
import type { Queryable, Transaction } from '../schema/pool.ts';

/** Own attempts of a flow and of its work (protocol C6). */
export interface Past {
  /** Epochs of this run, flow and generation: what they committed is this attempt's own effect. */
  readonly own: readonly number[];
  /**
   * Epochs of attempts of this flow or this work whose end is not known, or was not reported by the program itself: their sessions on the
   * database may still be at work.
   */
  readonly unended: readonly number[];
  /** Other works that attempts of this generation, or unended ones of the flow, did, because the run has adopted another catalogue version since. */
  readonly works: readonly string[];
}

/** Names a flow that is about to be claimed: its next attempt is of this generation and does this work. */
interface AttemptKey {
  readonly run_id: string;
  readonly flow_id: string;
  readonly generation: number;
  /** Null: the program has no fence. Empty: the row is from before there were works. */
  readonly work: string | null;
}

/**
 * Attempts after which no backend can be at work: those that were never launched (protocol C4), and those whose program reported its own end. After
 * any other end, the agent may have given up the connection while the server still worked. A lost attempt stays in the list when it reports
 * later.
 */
const ENDED = `(started_ms is null or outcome in ('succeeded', 'requeued', 'false')
  or (outcome = 'failed' and failure_kind = 'program'))`;

/**
 * The smallest epoch that is an instant, microseconds since 1970 (September 2001). Epochs from before there were works are smaller: their
 * attempts have no work, and their sessions are looked for by program and period (platforms/sql/session.ts).
 */
const FIRST_CLOCK_EPOCH = 1e15;

/**
 * Answers the past of each candidate, and nothing for programs without a fence. Two statements; none when no candidate has a fence.
 * Attempts with an open lease are left out: they may work, and the fence waits for them.
 */
export async function readPast(
  client: Queryable,
  candidates: readonly AttemptKey[],
): Promise<(candidate: AttemptKey) => { past?: Past }> {
  const fenced = candidates.filter((candidate) => candidate.work !== null);
  if (fenced.length === 0) return () => ({});
  const works = [...new Set(fenced.map((candidate) => candidate.work ?? ''))];
  const [ofFlows, ofWorks] = await Promise.all([
    client.query<{
      run_id: string;
      flow_id: string;
      generation: number;
      epoch: number;
      work: string | null;
      unended: boolean;
    }>({
      name: 'past-of-flows',
      text: `select a.run_id, a.flow_id, a.generation, a.epoch, a.work,
          not ${ENDED} and (a.work is not null or a.epoch < ${FIRST_CLOCK_EPOCH}) as unended
        from unnest($1::text[], $2::text[]) as x (run_id, flow_id)
        join attempts a on a.run_id = x.run_id and a.flow_id = x.flow_id where a.ended_ms is not null order by a.epoch`,
      values: [fenced.map((entry) => entry.run_id), fenced.map((entry) => entry.flow_id)],
    }),
    client.query<{ work: string; epoch: number }>({
      name: 'past-of-works',
      text: 'select work, epoch from unended_works where work = any($1::text[]) order by epoch',
      values: [works],
    }),
  ]);
  const byFlow = Map.groupBy(ofFlows.rows, (row) => `${row.run_id} ${row.flow_id}`);
  const byWork = Map.groupBy(ofWorks.rows, (row) => row.work);
  return (candidate) => {
    if (candidate.work === null) return {};
    const rows = byFlow.get(`${candidate.run_id} ${candidate.flow_id}`) ?? [];
    const same = rows.filter((row) => row.generation === candidate.generation);
    const unended = rows.filter((row) => row.unended);
    const ofWork = byWork.get(candidate.work) ?? [];
    const works = [...same, ...unended].flatMap(({ work }) =>
      work === null || work === candidate.work ? [] : [work],
    );
    return {
      past: {
        own: same.map((row) => row.epoch),
        unended: [...new Set([...unended, ...ofWork].map((row) => row.epoch))].sort((a, b) => a - b),
        works: [...new Set(works)].sort(),
      },
    };
  };
}

/** No backend works for an attempt that ended longer ago than this, ms: servers and agents have been restarted since. */
const KEPT_MS = 30 * 86_400_000;

/** Keeps which works the attempts of these epochs did, when their backends may still be at work after their end. */
export function keepUnended(client: Transaction, epochs: readonly number[]): void {
  if (epochs.length === 0) return;
  client.send({
    name: 'keep-unended',
    text: `with gone as (delete from unended_works where at_ms < clock_ms() - $2::bigint)
      insert into unended_works (work, epoch, at_ms)
      select work, epoch, clock_ms() from attempts where epoch = any($1::bigint[]) and work is not null and not ${ENDED}
      on conflict do nothing`,
    values: [epochs, KEPT_MS],
  });
}

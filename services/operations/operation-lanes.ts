/**
 * Requests of many operators to one run go into its log together: each takes the run's counter row, and one by one they would hold a
 * connection each while they wait for it. So 40 operators at one run take one connection, not all of them.
 */
import type pg from 'pg';
import { SluiceError } from '../../errors.ts';
import type { OperationRow } from '../../store/operations/operation-rows.ts';
import { type NewOperation, requestOperations } from '../../store/operations/operations.ts';
import { sqlState } from '../../store/schema/pool.ts';
import { gather } from '../gather.ts';

type Answer = OperationRow | SluiceError | Failed;
type Lane = (given: NewOperation) => Promise<Answer>;

/** What befell the whole group. */
class Failed {
  readonly error: unknown;
  constructor(error: unknown) {
    this.error = error;
  }
}

/** Small enough for one transaction (A10), also on a busy machine. */
const MOST = 50;
const lanes = new WeakMap<pg.Pool, Map<string, Lane>>();

/** As `requestOperation`, gathered with the others of the same run. */
export async function requestGathered(pool: pg.Pool, given: NewOperation): Promise<OperationRow> {
  const answer = await laneOf(pool, given.run)(given);
  if (answer instanceof Failed) throw answer.error;
  if (answer instanceof SluiceError) throw answer;
  return answer;
}

function laneOf(pool: pg.Pool, run: string): Lane {
  let ofPool = lanes.get(pool);
  if (ofPool === undefined) {
    ofPool = new Map();
    lanes.set(pool, ofPool);
  }
  let lane = ofPool.get(run);
  if (lane === undefined) {
    lane = gather<NewOperation, Answer>(
      async (group) => {
        try {
          return await requestOperations(pool, run, group);
        } catch (error) {
          // A text that cannot be kept is one request's own fault: in halves it fails alone. Anything else befalls them all.
          if (sqlState(error)?.startsWith('22')) throw error;
          return group.map(() => new Failed(error));
        }
      },
      { most: MOST },
    );
    ofPool.set(run, lane);
  }
  return lane;
}

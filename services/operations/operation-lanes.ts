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

/** Why the whole group failed. */
class Failed {
  readonly error: unknown;
  constructor(error: unknown) {
    this.error = error;
  }
}

/** Operations of one group at most: small enough for one transaction (protocol A10), also on a busy machine. */
const GROUP_LIMIT = 50;

export class OperationLanes {
  readonly #pool: pg.Pool;
  readonly #byRun = new Map<string, Lane>();

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /** Logs the operation, gathered with the others of the same run. Throws what `requestOperations` answers or throws. */
  async request(given: NewOperation): Promise<OperationRow> {
    const answer = await this.#lane(given.run)(given);
    if (answer instanceof Failed) throw answer.error;
    if (answer instanceof SluiceError) throw answer;
    return answer;
  }

  #lane(run: string): Lane {
    let lane = this.#byRun.get(run);
    if (lane === undefined) {
      lane = gather<NewOperation, Answer>((group) => this.#write(run, group), { limit: GROUP_LIMIT });
      this.#byRun.set(run, lane);
    }
    return lane;
  }

  async #write(run: string, group: readonly NewOperation[]): Promise<readonly Answer[]> {
    try {
      return await requestOperations(this.#pool, run, group);
    } catch (error) {
      // A text that cannot be stored is one request's own fault: tried in halves, it fails alone. Anything else fails them all.
      if (sqlState(error)?.startsWith('22')) throw error;
      return group.map(() => new Failed(error));
    }
  }
}

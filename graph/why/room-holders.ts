/** Flows that hold slots, pools and locks now, indexed for the answers about thousands of waiting flows. */
import type { RoomHolder } from '../run/run-facts.ts';

export interface Holders {
  /** Agent -> when the first of its flows should end, ms; only agents for which that is known. */
  readonly firstEnd: ReadonlyMap<string, number>;
  /** Run and flow -> what the flow holds. */
  readonly byFlow: ReadonlyMap<string, RoomHolder>;
  /** Pool -> flows that hold units of it, in the order in which they should end. */
  readonly byPool: ReadonlyMap<string, readonly RoomHolder[]>;
}

/** Key of a flow of a run in `byFlow`. */
export const holderKey = (run: string, flow: string): string => `${run} ${flow}`;

/** Indexes the holders. O(holders log holders). */
export function holdersOf(holders: readonly RoomHolder[]): Holders {
  const firstEnd = new Map<string, number>();
  const byPool = new Map<string, RoomHolder[]>();
  const ascending = holders.toSorted((a, b) => endOf(a) - endOf(b));
  for (const holder of ascending) {
    if (holder.until !== null && !firstEnd.has(holder.agent)) firstEnd.set(holder.agent, holder.until);
    for (const pool of holder.pools) {
      const list = byPool.get(pool);
      if (list === undefined) byPool.set(pool, [holder]);
      else list.push(holder);
    }
  }
  const byFlow = new Map(holders.map((holder) => [holderKey(holder.run, holder.flow), holder]));
  return { firstEnd, byFlow, byPool };
}

const endOf = ({ until }: RoomHolder): number => until ?? Number.MAX_VALUE;

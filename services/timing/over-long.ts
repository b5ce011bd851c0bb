/**
 * Which running flows run too long now (docs/answers.md, Q09): more than an hour; or longer than usual by half and by at least a minute. Usual is the
 * flow's own average of the last week, else its median.
 */

import type { Flow } from '../../graph/model.ts';
import { overLong } from '../../graph/usual/expected.ts';
import { type RunningFlow, runningFlows } from '../../store/history/durations.ts';
import { readClock } from '../../store/record/snapshot.ts';
import { readUsual } from '../../store/record/usual-times.ts';
import type { ServiceDeps } from '../deps.ts';
import { openContext } from '../runs/find.ts';

export interface OverLongFlow extends RunningFlow {
  readonly definition: Flow;
  readonly elapsedMs: number;
  /** Its average of the last week, else its median; null: it has no past. */
  readonly usualMs: number | null;
  readonly against: 'hour' | 'usual';
}

/** In all scheduled runs, longest first. */
export async function overLongFlows(deps: ServiceDeps): Promise<OverLongFlow[]> {
  const now = await readClock(deps.pool);
  const found: OverLongFlow[] = [];
  for (const it of await runningFlows(deps.pool)) {
    const context = await openContext(deps, it.run);
    const v = context.index.get(it.flow);
    if (v === undefined) continue;
    const usualMs = (await readUsual(deps.pool, context)).usualMs(v);
    const elapsedMs = now - it.startedAt;
    const against = overLong(elapsedMs, usualMs);
    if (against !== null)
      found.push({ ...it, definition: context.flow(it.flow), elapsedMs, usualMs, against });
  }
  return found;
}

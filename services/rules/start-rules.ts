/** The job that evaluates rules: in every API, one of which holds the lease (protocol F2). */
import { repeat } from '../../store/schema/repeat.ts';
import type { ServiceDeps } from '../deps.ts';
import { RuleEngine } from './rule-engine.ts';

/** Rest between two looks, ms: a plan is applied at most this much after what it rests on has settled, and a look costs a few ms. */
const LOOK_MS = 500;
/** Rest between two prolongations of the lease, ms: a third of it. */
const KEEP_MS = 1_000;

/** Runs until the returned function is called; that function waits for the look under way and gives the lease up. */
export function startRules(
  deps: ServiceDeps,
  warn: (facts: object, message: string) => void,
): () => Promise<void> {
  const engine = new RuleEngine(deps, warn);
  let lease: number | null = null;
  const endKeeping = repeat(async () => {
    lease = await engine.keepLease().catch(() => null);
  }, KEEP_MS);
  const endLooking = repeat(async () => {
    if (lease === null) return;
    await engine.look(lease).catch((error) => warn({ error }, 'the rules could not be evaluated'));
  }, LOOK_MS);
  return async () => {
    await endLooking();
    await endKeeping();
    await engine.leave().catch(() => {});
  };
}

/** The header that says in which zone clock times of an answer are written. */
import { setTimeout as sleep } from 'node:timers/promises';
import { DEFAULT_CALENDAR } from '../graph/calendar/work-days.ts';
import { displayZone } from '../services/catalogue/display-zone.ts';
import type { ServiceDeps } from '../services/deps.ts';
import type { Api } from './instance.ts';

/** The header that tells a reader in which zone to write the instants of an answer. */
export const ZONE_HEADER = 'sluice-time-zone';
/** For this long the zone is answered without a look at the catalogue, ms. */
const KEPT_MS = 1_000;
/** An answer waits no longer than this for the look, ms: then the zone of before is answered. */
const LOOK_MS = 300;

/** Tells the zone with every answer but those to agents, who write nothing for people. */
export function sendZone(app: Pick<Api, 'addHook'>, deps: Pick<ServiceDeps, 'pool' | 'versionOf'>): void {
  let known = DEFAULT_CALENDAR.timeZone;
  let look: { over: Promise<void> | null; readonly on: number } | undefined;
  const current = async (): Promise<string> => {
    if (look === undefined || performance.now() - look.on > KEPT_MS) {
      const begun: typeof look = { over: null, on: performance.now() };
      begun.over = displayZone(deps)
        .then((zone) => {
          known = zone;
        })
        .catch(() => {})
        .finally(() => {
          begun.over = null;
        });
      look = begun;
    }
    if (look.over !== null) await Promise.race([look.over, sleep(LOOK_MS, undefined, { ref: false })]);
    return known;
  };
  app.addHook('onSend', async (request, reply) => {
    const { permission } = request.routeOptions.config;
    if (permission === undefined || permission === 'agent' || permission === 'public') return;
    reply.header(ZONE_HEADER, await current());
  });
}

/** The response header with the time zone in which to show the instants of an answer. */
import { setTimeout as sleep } from 'node:timers/promises';
import { DEFAULT_CALENDAR } from '../graph/calendar/work-days.ts';
import { displayZone } from '../services/catalogue/display-zone.ts';
import type { ServiceDeps } from '../services/deps.ts';
import type { Api } from './instance.ts';

export const ZONE_HEADER = 'sluice-time-zone';
/** How long the zone is kept before the catalogue is read again, ms. */
const KEPT_MS = 1_000;
/** Maximum time in ms that an answer waits for the catalogue; after it the zone last known is sent. */
const LOOK_MS = 300;

/** Sends the zone with every answer except those to agents, which show nothing to people. */
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

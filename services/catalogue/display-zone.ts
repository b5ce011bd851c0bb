/**
 * The zone in which clock times are written for people, and which stands beside them: that of the first calendar of the newest catalogue,
 * without any that of China.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Api } from '../../api/instance.ts';
import { dateTimeOf } from '../../graph/calendar/clock-time.ts';
import { DEFAULT_CALENDAR } from '../../graph/calendar/work-days.ts';
import type { ApiDeps } from '../deps.ts';
import { newestCatalogue } from './newest-catalogue.ts';

export async function displayZone(deps: Pick<ApiDeps, 'pool' | 'versionOf'>): Promise<string> {
  const catalogue = await newestCatalogue(deps);
  return (catalogue?.frame.calendars[0] ?? DEFAULT_CALENDAR).timeZone;
}

/** `2026-11-22 02:10:33 Asia/Shanghai`, for sentences. */
export async function writtenInstant(deps: Pick<ApiDeps, 'pool' | 'versionOf'>, at: number): Promise<string> {
  const zone = await displayZone(deps);
  return `${dateTimeOf(zone, at)} ${zone}`;
}

/** The header that tells a reader in which zone to write the instants of an answer. */
export const ZONE_HEADER = 'sluice-time-zone';
/** For this long the zone is answered without a look at the catalogue, ms. */
const KEPT_MS = 1_000;
/** An answer waits no longer than this for the look, ms: then the zone of before is answered. */
const LOOK_MS = 300;

/** Tells the zone with every answer but those to agents, who write nothing for people. */
export function tellZone(app: Pick<Api, 'addHook'>, deps: Pick<ApiDeps, 'pool' | 'versionOf'>): void {
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

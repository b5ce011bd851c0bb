/** Events from outside: accepted once for each key, and passed to the runs that wait for them, also to runs opened later. */

import { EventPage, EventsQuery, ExternalEvent, SendEvent } from '../../contract/external-events.ts';
import { KeyHeader } from '../../contract/operations.ts';
import { unknown } from '../../errors.ts';
import { cycleOf } from '../../graph/calendar/calendar.ts';
import type { Cycle, Flow } from '../../graph/model.ts';
import { requireConfirmed } from '../../services/catalogue/far-period.ts';
import type { ServiceDeps } from '../../services/deps.ts';
import { authorise } from '../../services/operations/actor-scope.ts';
import { bodyHash } from '../../services/operations/body-hash.ts';
import { keyOf } from '../../services/operations/request-operation.ts';
import { suggestNames } from '../../services/suggest-names.ts';
import { newestVersion } from '../../store/catalogue/catalogue.ts';
import {
  awaitedEvents,
  type ExternalEvent as EventRow,
  listEvents,
  runsOfPeriod,
  writeEvent,
} from '../../store/schedules/external-events.ts';
import { inTransaction } from '../../store/schema/pool.ts';
import type { Api } from '../instance.ts';
import { AtId, page, positionOf } from '../paging.ts';

const tags = ['events'];
/** Time for which a refused lock is tried again, ms: a coordinator that hangs gives up the counter row of its run after 5 s (protocol A10). */
const PATIENT = { retryForMs: 9_000 };

export function externalEventRoutes(app: Api, deps: ServiceDeps): void {
  app.route({
    method: 'POST',
    url: '/events',
    config: { permission: 'operate', verb: 'send-event' },
    schema: { tags, headers: KeyHeader, body: SendEvent, response: { 200: ExternalEvent } },
    handler: async (request) => {
      const actor = request.actor!;
      const { event, period, payload, far } = request.body;
      const cycle = cycleOf(period);
      await requireConfirmed(deps, { cycle, period, far });
      authorise(actor, 'send-event', await waiting(deps, event, cycle, period));
      const given = {
        event,
        cycle,
        period,
        payload: payload ?? null,
        actor: actor.name,
        key: keyOf(request.headers),
        bodyHash: bodyHash({ event, period, payload: payload ?? null }),
      };
      const waits = async ({ version }: { version: number }): Promise<boolean> =>
        awaitedEvents((await deps.versionOf(version)).graphOf(cycle).graph).has(event);
      return toResponse(
        await inTransaction(deps.pool, (client) => writeEvent(client, given, waits), PATIENT),
      );
    },
  });

  app.route({
    method: 'GET',
    url: '/events',
    config: { permission: 'read' },
    schema: { tags, querystring: EventsQuery, response: { 200: EventPage } },
    handler: async (request) => {
      const { limit, cursor, ...filter } = request.query;
      const before = positionOf(AtId, cursor);
      const rows = await listEvents(deps.pool, filter, { before, limit: limit + 1 });
      return page(rows, limit, toResponse, (row) => ({ at: row.at, id: row.id }));
    },
  });
}

/** Flows that wait for the event, in the newest catalogue or in a run of the period. Throws `unknown_event` when there are none. */
async function waiting(deps: ServiceDeps, event: string, cycle: Cycle, period: string): Promise<Flow[]> {
  const newest = await newestVersion(deps.pool);
  const pinned = (await runsOfPeriod(deps.pool, cycle, period)).map((run) => run.version);
  const known = new Set<string>();
  const found = new Map<string, Flow>();
  for (const version of new Set([...pinned, ...(newest === null ? [] : [newest])]))
    for (const flow of (await deps.versionOf(version)).flows.values()) {
      if (flow.cycle !== cycle || flow.event === undefined) continue;
      known.add(flow.event);
      if (flow.event === event) found.set(flow.id, flow);
    }
  if (found.size > 0) return [...found.values()];
  throw unknown(
    'unknown_event',
    `no ${cycle} flow is triggered by the event ${event}`,
    { event, cycle, period },
    suggestNames(event, known),
  );
}

function toResponse({ id, event, cycle, period, payload, actor, at, runs }: EventRow): ExternalEvent {
  return {
    id,
    event,
    cycle,
    period,
    payload: payload as ExternalEvent['payload'],
    actor,
    at,
    runs,
  };
}

/** What is decided in a run, as server-sent events: one for each exchange that decided something. */
import { Readable } from 'node:stream';
import { z } from 'zod';
import { RunParams } from '../../contract/runs.ts';
import type { Group } from '../../graph/run/decisions.ts';
import { PHASES, resultOf } from '../../graph/run/status.ts';
import type { ServiceDeps } from '../../services/deps.ts';
import { openContext } from '../../services/runs/find.ts';
import { flagsOf } from '../../services/runs/flow-view.ts';
import { exchangesAfter, lastExchange, type StoredExchange } from '../../store/record/exchanges.ts';
import type { RunContext } from '../../store/record/run-context.ts';
import type { Api } from '../instance.ts';

/** Interval of the looks for new exchanges, ms. A lost notification delays an event by this time at most. */
const LOOK_MS = 1_000;
/** Time without an event after which a comment is sent, ms, so that proxies keep the connection. */
const COMMENT_MS = 15_000;
/** Maximum number of exchanges that are read at once. */
const BATCH = 50;

const LastEvent = z.object({ 'last-event-id': z.string().max(15).regex(/^\d+$/).optional() });

export function eventRoutes(app: Api, deps: ServiceDeps): void {
  const closing = new AbortController();
  app.addHook('preClose', async () => closing.abort());

  app.route({
    method: 'GET',
    url: '/runs/:run/events',
    config: { permission: 'read' },
    schema: { tags: ['runs'], params: RunParams, headers: LastEvent },
    handler: async (request, reply) => {
      const context = await openContext(deps, request.params.run);
      const last = request.headers['last-event-id'];
      const from = last === undefined ? await lastExchange(deps.pool, context.run.id) : Number(last);
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort());
      const signal = AbortSignal.any([gone.signal, closing.signal]);
      return reply
        .header('content-type', 'text/event-stream; charset=utf-8')
        .header('cache-control', 'no-store')
        .header('x-accel-buffering', 'no')
        .send(Readable.from(eventsOf(deps, context, from, signal)));
    },
  });
}

/** Events `decided` have the number of their exchange as id. `reset`: some exchanges are not kept any more, so the run has to be read again. */
async function* eventsOf(
  deps: ServiceDeps,
  context: RunContext,
  from: number,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const run = context.run.id;
  let at = from;
  let news = true;
  let wake = (): void => {};
  const off = deps.notifications.on('sluice_run', (changed) => {
    if (changed !== run) return;
    news = true;
    wake();
  });
  signal.addEventListener('abort', () => wake(), { once: true });
  let spoken = performance.now();
  try {
    yield `retry: 2000\n: ${run}\n\n`;
    while (!signal.aborted) {
      news = false;
      const { exchanges, missed } = await exchangesAfter(deps.pool, run, at, BATCH);
      if (missed) yield frame('reset', exchanges[0]!.n - 1, { run });
      for (const exchange of exchanges) {
        at = exchange.n;
        const data = toExchangeResponse(context, exchange);
        if (data === null) continue;
        yield frame('decided', exchange.n, data);
        spoken = performance.now();
      }
      if (exchanges.length === BATCH || news) continue;
      if (performance.now() - spoken > COMMENT_MS) {
        yield ': still here\n\n';
        spoken = performance.now();
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LOOK_MS);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
        if (signal.aborted) wake();
      });
    }
  } finally {
    off();
  }
}

const frame = (event: string, id: number, data: unknown): string =>
  `event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;

/** The last change of each flow in an exchange, and the operations that it decided; null when it decided nothing. */
function toExchangeResponse({ graph, run }: RunContext, { n, at, groups }: StoredExchange): object | null {
  const changes = new Map<number, Group['changes'][number]>();
  for (const change of groups.flatMap((group) => group.changes)) changes.set(change.v, change);
  const effects = groups.flatMap((group) => group.effects);
  const operations = effects.flatMap((effect) =>
    effect.t === 'outcome' ? [{ id: effect.operation, state: effect.state, code: effect.outcome.code }] : [],
  );
  const finished = effects.findLast((effect) => effect.t === 'finished');
  if (changes.size === 0 && operations.length === 0 && finished === undefined) return null;
  return {
    run: run.id,
    exchange: n,
    at,
    flows: [...changes.values()].map((change) => ({
      flow: graph.ids[change.v],
      generation: change.generation,
      attempt: change.attempt,
      // No decision makes a flow `sent_to_agent` or `running`: these follow from leases.
      state: resultOf(change.result) ?? PHASES[change.phase],
      flags: flagsOf({ flags: change.flags, stopping: false }),
    })),
    operations,
    ...(finished?.t === 'finished' ? { finished: finished.on } : {}),
  };
}

/** What an attempt wrote: as it is, or followed until it ends. */
import { Readable } from 'node:stream';
import { SluiceError } from '../../errors.ts';
import { readAttempts } from '../../store/flows.ts';
import type { Api, ApiDeps } from '../deps.ts';
import { flowOfRun, openContext } from '../find.ts';
import type { LogPlace } from '../log-store.ts';
import { AttemptParams, LogQuery } from '../schemas/flows.ts';

/** How often a followed log is looked at. */
const LOOK_MS = 500;
/** A followed log that stays silent ends after this time; whoever still wants it asks again. */
const MOST_MS = 6 * 3_600_000;

export function logRoutes(app: Api, deps: ApiDeps): void {
  const closing = new AbortController();
  app.addHook('preClose', async () => closing.abort());

  app.route({
    method: 'GET',
    url: '/runs/:run/flows/:flow/attempts/:n/log',
    config: { permission: 'read' },
    schema: { tags: ['flows'], params: AttemptParams, querystring: LogQuery },
    handler: async (request, reply) => {
      const context = await openContext(deps, request.params.run);
      const flow = flowOfRun(context, request.params.flow);
      const { n } = request.params;
      const [attempt] = await readAttempts(deps.pool, context.run.id, flow.id, { after: n - 1, limit: 1 });
      if (attempt === undefined)
        throw new SluiceError('unknown_attempt', `${flow.id} of ${context.run.id} has no attempt ${n}`, {
          facts: { run: context.run.id, flow: flow.id, n },
        });
      const place = { run: context.run.id, flow: flow.id, epoch: attempt.epoch };
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort());
      const signal = AbortSignal.any([gone.signal, closing.signal]);
      return reply
        .header('content-type', 'text/plain; charset=utf-8')
        .header('x-content-type-options', 'nosniff')
        .send(Readable.from(textOf(deps, place, request.query.follow === true, signal)));
    },
  });
}

async function* textOf(
  deps: ApiDeps,
  place: LogPlace,
  follow: boolean,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const until = performance.now() + MOST_MS;
  let at = 0;
  let ended = !follow;
  for (;;) {
    const { from, data, next } = await deps.logs.read(place, at);
    if (from > at) yield Buffer.from(`\n-- ${from - at} bytes left out --\n`);
    at = next;
    if (data.length > 0) {
      yield data;
      continue;
    }
    // Its end was there before this last look: nothing more comes.
    if (ended || signal.aborted || performance.now() > until) return;
    ended = await hasEnded(deps, place.epoch);
    if (!ended) await pause(LOOK_MS, signal);
  }
}

async function hasEnded({ pool }: ApiDeps, epoch: number): Promise<boolean> {
  const open = await pool.query('select 1 from attempts where epoch = $1 and ended_ms is null', [epoch]);
  return open.rowCount === 0;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end, { once: true });
  });
}

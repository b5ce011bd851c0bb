/** What an attempt wrote: as text, or the bytes as they were; what there is now, or followed until the attempt ends. */
import { Readable } from 'node:stream';
import { AttemptParams, type LogFrame, LogQuery } from '../../contract/flows.ts';
import { DEFAULT_ENCODING, decoded } from '../../encoding.ts';
import { SluiceError } from '../../errors.ts';
import type { Flow } from '../../graph/model.ts';
import type { ServiceDeps } from '../../services/deps.ts';
import { flowOfRun, openContext } from '../../services/runs/find.ts';
import { type LogPiece, piecesOf } from '../../services/runs/log-view.ts';
import { encodingOfAgent } from '../../store/agents/agents.ts';
import { type AttemptRow, readAttempts } from '../../store/history/flows.ts';
import type { Api } from '../instance.ts';

const TYPES = {
  text: 'text/plain; charset=utf-8',
  raw: 'application/octet-stream',
  frames: 'application/x-ndjson; charset=utf-8',
};

export function logRoutes(app: Api, deps: ServiceDeps): void {
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
      const { raw, from = 0, follow = false, frames } = request.query;
      const encoding = await encodingOf(deps, flow, attempt);
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort());
      const pieces = piecesOf(deps, {
        place: { run: context.run.id, flow: flow.id, epoch: attempt.epoch },
        from,
        follow,
        encoding: raw ? null : encoding,
        signal: AbortSignal.any([gone.signal, closing.signal]),
      });
      const format = frames ? 'frames' : raw ? 'raw' : 'text';
      return reply
        .header('content-type', TYPES[format])
        .header('x-content-type-options', 'nosniff')
        .send(Readable.from(broken(bodyOf(pieces, format, raw ? null : encoding), closing.signal)));
    },
  });
}

/** When the API closes while it sends a log, the answer breaks off: a proper end would mean that the log is complete. */
async function* broken(body: AsyncIterable<Buffer>, closing: AbortSignal): AsyncGenerator<Buffer> {
  yield* body;
  if (closing.aborted) throw new Error('the API is being closed');
}

/** The encoding of an attempt's output: the one that its agent reported with its end, until then the one that is declared now. */
async function encodingOf({ pool }: ServiceDeps, { program }: Flow, attempt: AttemptRow): Promise<string> {
  if (attempt.encoding !== null) return attempt.encoding;
  if (attempt.logBytes !== null || program?.type !== 'shell') return DEFAULT_ENCODING;
  return program.encoding ?? ((await encodingOfAgent(pool, attempt.agent)) || DEFAULT_ENCODING);
}

async function* bodyOf(
  pieces: AsyncIterable<LogPiece>,
  format: keyof typeof TYPES,
  encoding: string | null,
): AsyncGenerator<Buffer> {
  for await (const piece of pieces) {
    if (format === 'frames') yield Buffer.from(`${JSON.stringify(frameOf(piece, encoding))}\n`);
    else if ('data' in piece)
      yield encoding === null ? piece.data : Buffer.from(decoded(piece.data, encoding));
    // Nothing is put between bytes that are sent as they were.
    else if (encoding !== null) yield Buffer.from(`\n-- ${piece.next - piece.from} bytes left out --\n`);
  }
}

function frameOf(piece: LogPiece, encoding: string | null): LogFrame {
  const { from, next } = piece;
  if (!('data' in piece)) return { from, next, leftOut: next - from };
  return encoding === null
    ? { from, next, data: piece.data.toString('base64') }
    : { from, next, text: decoded(piece.data, encoding), encoding };
}

/**
 * Reads the bodies of requests: JSON in UTF-8. It refuses what the record could not keep as it was meant: NUL, surrogates, numbers that would
 * lose digits. Each body is checked here as a whole, so no schema has to think of it. Calls of agents are exempt, as a result must not be lost
 * because of a text in it: such texts are made storable where they are stored.
 */
import { isUtf8 } from 'node:buffer';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { inexactNumber } from '../contract/json-text.ts';
import { SluiceError } from '../errors.ts';
import { decode } from '../graph/text/encodings.ts';
import { numberWanted } from '../graph/text/number-wanted.ts';
import { DEPTH_LIMIT, FLAWS, flawIn } from '../graph/text/storable-text.ts';
import type { Api } from './instance.ts';

/** Escapes of what cannot stand in a body unescaped: NUL and surrogates. Only a body with such an escape is searched for flaws. */
const ESCAPED = /\\u(?:0000|[dD][89a-fA-F])/;

export function readJsonBodies(app: Api): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    try {
      const text = textOf(request, body as Buffer);
      parse(request, text, (error, value) => {
        if (error !== null) return done(error as Error);
        const refusal = refusalOf(request, text, value);
        return refusal === null ? done(null, value) : done(refusal);
      });
    } catch (error) {
      done(error as Error);
    }
  });
}

/** The query is decoded leniently by the framework: what is no UTF-8 would stay as it is written, and match nothing. */
export function refuseBadQuery({ raw }: Pick<FastifyRequest, 'raw'>): void {
  const url = raw.url ?? '';
  const at = url.indexOf('?');
  if (at < 0 || !url.includes('%', at)) return;
  try {
    decodeURIComponent(url.slice(at + 1));
  } catch {
    throw refused('query', [], 'is not percent-encoded UTF-8');
  }
}

function textOf(request: FastifyRequest, body: Buffer): string {
  const charset = /charset\s*=\s*"?([^";\s]+)/i.exec(request.headers['content-type'] ?? '')?.[1];
  if (charset !== undefined && !/^(utf-?8|us-ascii)$/i.test(charset))
    throw new SluiceError('unsupported_media_type', `JSON is sent in UTF-8, not in ${charset}`);
  if (isUtf8(body) && body[0] !== 0xef) return body.toString('utf8');
  const found = decode(body, null);
  if ('text' in found) return found.text;
  throw new SluiceError('malformed_json', `line ${found.line}, column ${found.column}: ${found.message.en}`);
}

function refusalOf(request: FastifyRequest, text: string, value: unknown): SluiceError | null {
  if (request.routeOptions.config.permission === 'agent') return null;
  if (ESCAPED.test(text)) {
    const flaw = flawIn(value);
    if (flaw !== null) {
      const what =
        flaw.what === 'too_deep' ? `lies more than ${DEPTH_LIMIT} deep` : `holds ${FLAWS[flaw.what].en}`;
      return refused('body', flaw.path, `${flaw.inKey ? 'a name here ' : ''}${what}: remove it`);
    }
  }
  const number = inexactNumber(text);
  if (number === null) return null;
  const { path, source, read } = number;
  const { body } = (request.routeOptions.schema ?? {}) as { body?: z.ZodType };
  const wanted = body === undefined ? null : numberWanted([body], path);
  const advice = wanted?.en ?? `write it in quotes, "${source}"`;
  return refused('body', path, `${source} would arrive as ${read}: ${advice}`);
}

function refused(where: 'body' | 'query', path: readonly (string | number)[], detail: string): SluiceError {
  const pointer = path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
  return new SluiceError('invalid_request', `${where}${pointer}: ${detail}`, {
    facts: { errors: [{ in: where, pointer, detail }] },
  });
}

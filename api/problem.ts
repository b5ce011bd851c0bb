/** Every failure as problem+json (RFC 9457), also those of the framework and of PostgreSQL; a 5xx shows no inner message. */
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import type { Problem } from '../contract/problem.ts';
import { type ErrorCode, SluiceError } from '../errors.ts';
import { type Language, languageOf } from '../services/language.ts';
import { isOutage, sqlState } from '../store/schema/pool.ts';

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

interface Asked {
  readonly id: string;
  readonly url: string;
  readonly headers: { readonly 'accept-language'?: string | undefined };
}

/** Codes of the framework that have one of our own; any other 4xx of its becomes `invalid_request`. */
const FRAMEWORK: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_INVALID_JSON_BODY: 'malformed_json',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'malformed_json',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'malformed_json',
};

/** The answer to a caller for anything that was thrown. The original stays its `cause`, for the log. */
export function toSluiceError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error;
  if (hasZodFastifySchemaValidationErrors(error)) return invalidRequest(error);
  const { code, statusCode, message } = (error ?? {}) as {
    code?: string;
    statusCode?: number;
    message?: string;
  };
  const known = FRAMEWORK[code ?? ''];
  if (known !== undefined) return new SluiceError(known, message ?? known, { cause: error });
  if (error instanceof SyntaxError && statusCode === 400)
    return new SluiceError('malformed_json', message ?? 'the body is not JSON', { cause: error });
  // Text that PostgreSQL cannot keep got past a schema: the request's fault, not ours.
  if (sqlState(error) === '22021' || sqlState(error) === '22P05')
    return new SluiceError('invalid_request', 'a text contains a character that cannot be stored', {
      cause: error,
    });
  if (isOutage(error))
    return new SluiceError(
      'record_unavailable',
      OUTAGES[sqlState(error) ?? ''] ?? 'the database does not answer',
      {
        cause: error,
      },
    );
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new SluiceError('invalid_request', message ?? 'the request cannot be read', { cause: error });
  return new SluiceError('internal', 'an unexpected error: its details are in the log, under the trace id', {
    cause: error,
  });
}

/** What an operator can do something about. */
const OUTAGES: Readonly<Record<string, string>> = {
  '53100': 'the database cannot write: its disk is full',
  '53300': 'the database has no connection left',
};

interface Issue {
  readonly instancePath: string;
  readonly message?: string;
}

function invalidRequest(error: { validation: readonly Issue[]; validationContext?: string }): SluiceError {
  const place = error.validationContext ?? 'body';
  const errors = error.validation.slice(0, 100).map(({ instancePath, message }) => ({
    in: place === 'querystring' ? 'query' : place,
    pointer: instancePath,
    detail: message ?? 'invalid',
  }));
  const first = errors[0];
  const detail =
    first === undefined ? 'the request is not valid' : `${first.in}${first.pointer}: ${first.detail}`;
  return new SluiceError('invalid_request', detail, { facts: { errors }, cause: error });
}

export function problemOf(error: SluiceError, asked: Asked): Problem {
  const { kind, code } = error;
  const language: Language = languageOf(asked.headers['accept-language']);
  const { errors, ...facts } = error.facts as { errors?: Problem['errors'] };
  return {
    type: `urn:sluice:error:${code}`,
    title: kind[language],
    status: kind.status,
    detail: error.message,
    instance: asked.url.slice(0, 500),
    code,
    remedy: kind.remedy[language],
    retryable: kind.retryable,
    facts,
    traceId: asked.id,
    ...(errors === undefined ? {} : { errors }),
  };
}

/** Errors for an API that does not answer, and for answers that are not the API's. */
import type { Problem } from '../contract/problem.ts';
import { ERRORS, SluiceError } from '../errors.ts';

/** The person at the terminal has pressed Ctrl-C. */
export const interrupted = (): SluiceError =>
  new SluiceError('interrupted', 'stopped by the person at the terminal');

/** Why there was no answer, or why it broke off. */
export function failureOf(error: unknown, base: string, signal: AbortSignal | null): SluiceError {
  if (error instanceof SluiceError) return error;
  if (signal?.aborted) return interrupted();
  if (error instanceof Error && error.name === 'TimeoutError')
    return new SluiceError('timed_out', `${base} took too long to answer`, {
      cause: error,
      facts: { apiUrl: base },
    });
  if (error instanceof Error && error.name === 'AbortError') return interrupted();
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const why =
    cause instanceof AggregateError
      ? String(cause.errors[0])
      : cause instanceof Error
        ? cause.message
        : String(cause);
  return new SluiceError('api_unreachable', `no answer from ${base}: ${why}`, {
    cause: error,
    facts: { apiUrl: base },
  });
}

/** Whether nothing of the request has left this machine, because no connection was made. */
export function isUnsent(error: unknown): boolean {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (cause instanceof AggregateError) return cause.errors.every(isUnsent);
  const { code, message } = (cause ?? {}) as { code?: unknown; message?: unknown };
  // fetch itself refuses ports that browsers refuse, e.g. 9.
  return (typeof code === 'string' && UNSENT.has(code)) || message === 'bad port';
}

const UNSENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'UND_ERR_CONNECT_TIMEOUT',
  'ERR_INVALID_URL',
]);

/** The failure of a change that got no answer. `look`: the command that says whether it was made. */
export function maybeApplied(failure: Error, look: string): SluiceError {
  const facts = failure instanceof SluiceError ? failure.facts : {};
  const code =
    failure instanceof SluiceError && failure.code !== 'api_unreachable' ? failure.code : 'maybe_applied';
  return new SluiceError(code, `${failure.message}; it may have been applied: ${look}`, {
    cause: failure,
    facts: { ...facts, look, maybeApplied: true },
  });
}

export const isMaybeApplied = (error: unknown): boolean =>
  error instanceof SluiceError && error.facts?.maybeApplied === true;

/** The problem in an answer. A proxy before the API may answer with something else: then a problem is made from the status. */
export async function problemOf(answer: Response, method: string, path: string): Promise<Problem> {
  const body = await answer.text().catch(() => '');
  if (/json/.test(answer.headers.get('content-type') ?? '')) {
    try {
      const problem = JSON.parse(body) as Partial<Problem>;
      if (typeof problem.code === 'string' && typeof problem.detail === 'string') return problem as Problem;
    } catch {
      // Not JSON after all.
    }
  }
  const retryable = answer.status === 502 || answer.status === 503 || answer.status === 504;
  return {
    type: 'urn:sluice:error:internal',
    title: ERRORS.internal.en,
    status: retryable ? 503 : answer.status,
    detail: `${method} ${path} was answered with ${answer.status} ${answer.statusText}`.trim(),
    instance: path,
    code: 'internal',
    remedy: ERRORS.internal.remedy.en,
    retryable,
    facts: {},
    traceId: answer.headers.get('x-trace-id') ?? '',
  };
}

/** What the client says over HTTP beside its requests, and how it writes them. */
type Value = string | number | boolean | undefined;
export type Query = Readonly<Record<string, Value | readonly string[]>>;

export function queryText(query: Query): string {
  const pairs = Object.entries(query).flatMap(([name, value]): [string, string][] => {
    if (value === undefined) return [];
    const text = Array.isArray(value) ? value.join(',') : String(value);
    return text === '' ? [] : [[name, text]];
  });
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs)}`;
}

/** Fulfils when the API at `base` says that it lives. */
export async function lives(base: string, signal: AbortSignal): Promise<void> {
  const answer = await fetch(`${base}/api/v1/healthz`, { signal });
  await answer.body?.cancel();
}

/** The API's clock as HTTP tells it, ms; NaN when it does not. */
export async function dateOf(answer: Response): Promise<number> {
  await answer.body?.cancel();
  return Date.parse(answer.headers.get('date') ?? '');
}

/** Requests whose idempotency key the record keeps. */
const KEYED =
  /^\/(runs(\/[^/]+\/(?!reload)[^/]+(\/[^/]+\/apply)?)?|backfills|events|schedules\/[^/]+\/trigger)$/;

/** The command that says whether a change without an answer was made; null: the request changes nothing. */
export function whereToLook(path: string, body: unknown, key: string): string | null {
  if ((body as { dryRun?: unknown } | null)?.dryRun === true || /\/(check|diff|rerun-plans)$/.test(path))
    return null;
  if (KEYED.test(path)) return `sluice operations ${key}`;
  return path.startsWith('/catalogue') ? 'sluice catalogue versions' : 'sluice audit';
}

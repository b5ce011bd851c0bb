/** LISTEN on a connection of its own, which reconnects by itself. A notification may be lost meanwhile, so every listener polls as well. */
import pg from 'pg';
import { type Log, patiently } from './patiently.ts';
import { isOutage, KEEP_ALIVE } from './pool.ts';

/** Rest before the next try to connect, ms. */
const AGAIN_MS = 500;
/** Defaults of `ListenOptions`. */
const PING_MS = 10_000;
const ANSWER_MS = 5_000;

export interface ListenOptions {
  readonly log: Log;
  /** Rest between two pings, ms: without them a dead connection would look like a silent one. Default: 10 s. */
  readonly pingMs?: number;
  /** Statement timeout in ms, after which the connection is dropped. Default: 5 s. */
  readonly answerMs?: number;
}

/**
 * Calls `heard(channel, payload)` for each notification until the returned function is called. Resolves once it listens; it waits for a
 * server that is not there yet.
 */
export async function listen(
  url: string,
  channels: readonly string[],
  heard: (channel: string, payload: string) => void,
  { log, pingMs = PING_MS, answerMs = ANSWER_MS }: ListenOptions,
): Promise<() => Promise<void>> {
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let ping: NodeJS.Timeout | undefined;
  let begun = false;
  let stopped = false;

  async function connect(): Promise<void> {
    const next = new pg.Client({
      connectionString: url,
      application_name: 'sluice-listen',
      connectionTimeoutMillis: answerMs,
      query_timeout: answerMs,
      ...KEEP_ALIVE,
    });
    next.on('error', (error) => {
      log.warn({ error: error.message }, 'the listening connection broke');
    });
    // A connection that was given up may end late.
    next.on('end', () => {
      if (begun && (client === undefined || client === next)) again();
    });
    next.on('notification', (n) => heard(n.channel, n.payload ?? ''));
    try {
      await next.connect();
      for (const channel of channels) await next.query(`listen ${pg.escapeIdentifier(channel)}`);
    } catch (error) {
      next.end().catch(() => {});
      throw error;
    }
    client = next;
    begun = true;
    clearInterval(ping);
    ping = setInterval(() => {
      // With a statement unanswered, `end` closes the connection at once, and `again` makes the next one.
      next.query('select 1').catch(() => next.end().catch(() => {}));
    }, pingMs);
  }

  function again(): void {
    if (stopped) return;
    client = undefined;
    clearInterval(ping);
    clearTimeout(timer);
    timer = setTimeout(() => {
      connect().catch(again);
    }, AGAIN_MS);
  }

  await patiently(connect, isOutage, log);
  return async () => {
    stopped = true;
    clearInterval(ping);
    clearTimeout(timer);
    await client?.end().catch(() => {});
  };
}

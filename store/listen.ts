/** LISTEN on a connection of its own that comes back by itself. A notification may be lost while it is away: who listens also polls. */
import pg from 'pg';

interface Log {
  warn(facts: object, message: string): void;
}

const AGAIN_MS = 500;

/** Calls `heard(channel, payload)` for each notification until the returned function is called. Resolves once listening. */
export async function listen(
  url: string,
  channels: readonly string[],
  heard: (channel: string, payload: string) => void,
  log: Log,
): Promise<() => Promise<void>> {
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  async function connect(): Promise<void> {
    const next = new pg.Client({ connectionString: url, application_name: 'sluice-listen', keepAlive: true });
    next.on('error', (error) => {
      log.warn({ error: error.message }, 'the listening connection broke');
    });
    next.on('end', again);
    next.on('notification', (n) => heard(n.channel, n.payload ?? ''));
    await next.connect();
    for (const channel of channels) await next.query(`listen ${pg.escapeIdentifier(channel)}`);
    client = next;
  }

  function again(): void {
    if (stopped) return;
    client = undefined;
    clearTimeout(timer);
    timer = setTimeout(() => {
      connect().catch(again);
    }, AGAIN_MS);
  }

  await connect();
  return async () => {
    stopped = true;
    clearTimeout(timer);
    await client?.end().catch(() => {});
  };
}

/** Connections for control: to look at what sessions do, and to end it. */
import pg from 'pg';

export const CONNECT_TIMEOUT_MS = 10_000;
/** Timeout in ms of statements that have nothing to wait for: no answer within this time means that none will come. */
export const ANSWER_MS = 10_000;

/** A short connection of its own. Rejects when the platform cannot be reached or falls silent. */
export async function withControl<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'sluice control',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: ANSWER_MS,
  });
  client.on('error', () => {});
  try {
    await client.connect();
    return await work(client);
  } finally {
    client.end().catch(() => {});
  }
}

/** Short connections that look at what sessions do, and end them. */
import pg from 'pg';

/** Time within which a connection must be made, ms. */
export const CONNECT_TIMEOUT_MS = 10_000;
/** Timeout of statements that wait for nothing, ms. */
export const ANSWER_MS = 10_000;

/** Calls `work` with a new connection and closes it. Rejects when the platform cannot be reached or does not answer. */
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

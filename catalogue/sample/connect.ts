/** Connections of the sample to its databases. */
import pg from 'pg';

/** Rejects when the database cannot be reached. When it ends the connection later, the next statement fails. */
export async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString, application_name: 'sluice sample' });
  // Without a listener the error would end the process before anybody has read the error of the statement.
  client.on('error', () => {});
  await client.connect();
  return client;
}

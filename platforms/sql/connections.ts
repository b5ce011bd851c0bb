/** URLs of connections by name. Only the agent knows the URLs (protocol C1). Messages show the name, never the URL. */
import pg from 'pg';
import type { Task } from '../../contract/agent.ts';
import { ProgramError } from '../../sql/program-error.ts';

export type Connections = Readonly<Record<string, string>>;

/**
 * The URL of a named connection. Throws ProgramError when this agent has no connection of that name, and when the connection stands for
 * another one in a rehearsal but is the same database.
 */
export function urlOf(connections: Connections, name: string, task: Pick<Task, 'twins'>): string {
  const url = Object.hasOwn(connections, name) ? connections[name] : undefined;
  if (url === undefined) {
    const known = Object.keys(connections).sort().join(', ') || 'none';
    throw new ProgramError(`this agent has no connection ${name} (it has: ${known})`);
  }
  const production = task.twins?.[name];
  const other =
    production !== undefined && Object.hasOwn(connections, production) ? connections[production] : undefined;
  if (other !== undefined && databaseOf(other) === databaseOf(url))
    throw new ProgramError(
      `nothing was executed: ${name}, which stands for ${production} in rehearsals, is the same database as ${production} on this agent`,
    );
  return url;
}

/** Host, port and database as the driver reads them. Two names of one host count as different. */
function databaseOf(url: string): string {
  const { host, port, database } = new pg.Client({ connectionString: url });
  return [host.toLowerCase(), port, database].join(' ');
}

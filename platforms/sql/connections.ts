/** Names of connections -> URLs. The URLs live with the agent only (protocol C1); messages show the name, never the URL. */
import pg from 'pg';
import { ProgramError } from '../../sql/program-error.ts';
import type { Task } from '../platform.ts';

export type Connections = Readonly<Record<string, string>>;

/**
 * The URL of a named connection; throws ProgramError when this agent has none of that name, and when a rehearsal's twin is the very database
 * of the connection that it stands for.
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

/** Host, port and database as the driver reads them; other names of the same host are not known here. */
function databaseOf(url: string): string {
  const { host, port, database } = new pg.Client({ connectionString: url });
  return [host.toLowerCase(), port, database].join(' ');
}

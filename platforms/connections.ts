/** Names of connections -> URLs. The URLs live with the agent only (protocol C1); messages show the name, never the URL. */
import { ProgramError } from '../sql/program-error.ts';

export type Connections = Readonly<Record<string, string>>;

/** The URL of a named connection; throws ProgramError when this agent has none of that name. */
export function urlOf(connections: Connections, name: string): string {
  const url = Object.hasOwn(connections, name) ? connections[name] : undefined;
  if (url !== undefined) return url;
  const known = Object.keys(connections).sort().join(', ') || 'none';
  throw new ProgramError(`this agent has no connection ${name} (it has: ${known})`);
}

/** A real API over a test database, a profile file for its actors, and the command line that speaks as them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { callerOf, startTestApi, type TestApi } from '../support/api.ts';
import type { TestDatabase } from '../support/database.ts';
import { type CommandLine, commandLine } from './command-line.ts';

export interface CliEstate {
  readonly api: TestApi;
  readonly apiUrl: string;
  readonly home: string;
  /** Speaks as `admin` unless `--as` says otherwise. */
  readonly sluice: CommandLine;
  /** The API itself, asked directly, as an actor. */
  readonly direct: (actor: keyof typeof ROLES) => ReturnType<typeof callerOf>;
}

const ROLES = {
  admin: ['maintainer', 'key'],
  operator: ['operator'],
  billing: ['billing'],
  viewer: ['viewer'],
} as const;

/** Call at the top of a test file; everything is stopped when the file is done. */
export async function startCliEstate(
  database: TestDatabase,
  options: Parameters<typeof startTestApi>[1] = {},
): Promise<CliEstate> {
  const api = await startTestApi(database, options);
  await api.app.listen({ host: '127.0.0.1', port: 0 });
  // Node counts a connection that never sent a request (kept in a client's pool) as active for a minute.
  afterAll(() => api.app.server.closeAllConnections());
  const apiUrl = `http://127.0.0.1:${(api.app.server.address() as AddressInfo).port}`;
  const actors: Record<string, string> = {};
  for (const [name, roles] of Object.entries(ROLES))
    actors[name] = (await api.actor({ name, kind: 'person', roles: [...roles] })).token;
  const home = await mkdtemp(join(tmpdir(), 'sluice-test-cli-'));
  afterAll(() => rm(home, { recursive: true, force: true }));
  await writeFile(join(home, 'cli.json'), JSON.stringify({ apiUrl, actors }), { mode: 0o600 });
  return {
    api,
    apiUrl,
    home,
    sluice: commandLine({ home, apiUrl: 'http://127.0.0.1:9' }),
    direct: (actor) => callerOf(api.app, actors[actor]!),
  };
}

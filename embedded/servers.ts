/** The PostgreSQL and Temporal of this installation: servers of your own by address, or embedded ones that are kept running. */
import type { Config } from '../config.ts';
import type { Home } from './home.ts';
import { startPostgres } from './postgres.ts';
import { supervise } from './supervise.ts';
import { startTemporal } from './temporal.ts';
import { obtainTemporal } from './temporal-binary.ts';

export interface Servers {
  /** URL of a database of the server; undefined name: the one that DATABASE_URL names, `sluice` when embedded. */
  databaseUrl(name?: string): string;
  /** Whether PostgreSQL is embedded. Only then are databases created on it without being asked to. */
  readonly ownsDatabase: boolean;
  readonly temporalAddress: string;
  /** Stops the embedded servers: Temporal, then PostgreSQL. */
  stop(): Promise<void>;
}

type Settings = Pick<
  Config,
  | 'cache'
  | 'databaseUrl'
  | 'temporalAddress'
  | 'temporalNamespace'
  | 'temporalBin'
  | 'postgresPort'
  | 'temporalPort'
>;

/**
 * Starts the servers that are not given by address, both at once. An embedded server that ends by itself is started again on its port.
 * `say` gets a line for everything that takes long or goes wrong. Throws `port_in_use`, `postgres_failed`, `temporal_failed`,
 * `temporal_unavailable`, and leaves nothing running then.
 */
export async function startServers(
  config: Settings,
  home: Home,
  say: (text: string) => void,
): Promise<Servers> {
  const [postgres, temporal] = await Promise.allSettled([
    postgresOf(config, home, say),
    temporalOf(config, home, say),
  ]);
  const stop = async () => {
    if (temporal.status === 'fulfilled') await temporal.value.stop();
    if (postgres.status === 'fulfilled') await postgres.value.stop();
  };
  if (postgres.status === 'rejected' || temporal.status === 'rejected') {
    await stop();
    throw postgres.status === 'rejected' ? postgres.reason : (temporal as PromiseRejectedResult).reason;
  }
  return {
    databaseUrl: postgres.value.url,
    ownsDatabase: config.databaseUrl === undefined,
    temporalAddress: temporal.value.address,
    stop,
  };
}

async function postgresOf(config: Settings, home: Home, say: (text: string) => void) {
  const { databaseUrl } = config;
  if (databaseUrl !== undefined) {
    const url = (name?: string) => {
      const target = new URL(databaseUrl);
      if (name !== undefined) target.pathname = `/${name}`;
      return target.href;
    };
    return { url, stop: async () => undefined };
  }
  // A restart takes the same port, or waits for it: the URL stays valid.
  let port = config.postgresPort;
  const start = async () => {
    const started = await startPostgres({ home, port });
    port = started.port;
    return started;
  };
  const watched = await supervise('PostgreSQL', start, say);
  return { url: (name = 'sluice') => watched.current().url(name), stop: () => watched.stop(20_000) };
}

async function temporalOf(config: Settings, home: Home, say: (text: string) => void) {
  if (config.temporalAddress !== undefined)
    return { address: config.temporalAddress, stop: async () => undefined };
  const program = await obtainTemporal({ cache: config.cache, chosen: config.temporalBin, say });
  let port = config.temporalPort;
  const start = async () => {
    const started = await startTemporal({ home, program, port, namespace: config.temporalNamespace });
    port = Number(started.address.split(':')[1]);
    return started;
  };
  const watched = await supervise('Temporal', start, say);
  return { address: watched.current().address, stop: () => watched.stop(10_000) };
}

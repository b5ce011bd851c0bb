/** Ports of this machine: finds free ones, and the process that holds one. */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { SluiceError } from '../errors.ts';

const tryToListen = (port: number): Promise<number | undefined> =>
  new Promise((answer) => {
    const server = createServer();
    server.once('error', () => answer(undefined));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = server.address();
      server.close(() => answer(typeof address === 'object' && address !== null ? address.port : undefined));
    });
  });

/** A port of 127.0.0.1 that is free: another process may take it before the caller does. */
export async function freePort(): Promise<number> {
  const port = await tryToListen(0);
  if (port === undefined) throw new SluiceError('port_in_use', 'no free port is left on 127.0.0.1');
  return port;
}

/** `n` different ports of 127.0.0.1 from 20000 to `highest` that are free, for a caller that cannot use higher ports. */
export async function freePortsUpTo(highest: number, n: number): Promise<number[]> {
  const found = new Set<number>();
  for (let tries = 0; found.size < n && tries < 1_000; tries++) {
    const port = 20_000 + Math.floor(Math.random() * (highest - 20_000 + 1));
    if (await isFree(port)) found.add(port);
  }
  if (found.size < n) throw new SluiceError('port_in_use', `there are no ${n} free ports up to ${highest}`);
  return [...found];
}

/** True when `port` of 127.0.0.1 can be listened on now. */
async function isFree(port: number): Promise<boolean> {
  return (await tryToListen(port)) !== undefined;
}

export interface PortWish {
  /** What listens there, and the setting that names the port: for messages. */
  readonly what: string;
  readonly key: string;
  /** The port that a person has set: this one, or `port_in_use` is thrown. 0: any free port. */
  readonly fixed?: number | undefined;
  /** Without `fixed`: the first of these that is free, otherwise any free port. */
  readonly liked: readonly (number | undefined)[];
}

/** The port of 127.0.0.1 to use. Throws `port_in_use` when a fixed one is taken. */
export async function choosePort({ what, key, fixed, liked }: PortWish): Promise<number> {
  if (fixed === 0) return freePort();
  if (fixed !== undefined) {
    await assertFree(fixed, what, key);
    return fixed;
  }
  for (const port of liked) if (port !== undefined && (await isFree(port))) return port;
  return freePort();
}

/** Throws `port_in_use` when somebody listens on `port`; facts `{ port, pid? }`. `key` is the setting that moves `what` elsewhere. */
export async function assertFree(port: number, what: string, key: string): Promise<void> {
  if (await isFree(port)) return;
  const pid = await portHolder(port);
  const holder = pid === undefined ? 'another process' : `process ${pid}`;
  throw new SluiceError(
    'port_in_use',
    `${what} cannot listen on port ${port}: ${holder} has it (${key} sets another)`,
    {
      facts: { port, ...(pid === undefined ? {} : { pid }) },
    },
  );
}

/** Id of the process that listens on `port`; only Linux tells it, and only of one's own processes or to root. */
async function portHolder(port: number): Promise<number | undefined> {
  const inode = await listeningSocket(port);
  if (inode === undefined) return undefined;
  for (const pid of await readdir('/proc').then(
    (names) => names.filter((name) => /^\d+$/.test(name)),
    () => [],
  )) {
    const files = await readdir(`/proc/${pid}/fd`).catch(() => []);
    for (const file of files) {
      const target = await readlink(`/proc/${pid}/fd/${file}`).catch(() => '');
      if (target === `socket:[${inode}]`) return Number(pid);
    }
  }
  return undefined;
}

/** Inode of the socket that listens on `port` (state 0A in the kernel's tables). */
async function listeningSocket(port: number): Promise<string | undefined> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const text = await readFile(table, 'utf8').catch(() => '');
    for (const line of text.split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[1]?.endsWith(suffix) && fields[3] === '0A') return fields[9];
    }
  }
  return undefined;
}

/**
 * A link between two processes: a TCP proxy of our own that can be made slow, cut, half-open (it takes what is sent and passes nothing on)
 * or reset while both ends live. One for every pair of processes, so that one pair can fail alone.
 */
import { createServer, type Server, Socket } from 'node:net';

export type LinkFault = 'delay' | 'cut' | 'half-open';

export interface Link {
  readonly name: string;
  /** Port of 127.0.0.1 on which it listens. */
  readonly port: number;
  /** Makes the link faulty until `heal`; a second fault takes the place of the first. */
  break(fault: LinkFault): void;
  /** Sound again. What was half-open is reset, so that an end that waited on it notices. */
  heal(): void;
  /** Resets every connection once, also in the middle of an answer. */
  reset(): void;
  /** The connections that are there fall silent for ever, new ones are sound: a firewall has forgotten them. Nothing heals that. */
  forget(): void;
  close(): Promise<void>;
}

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
  /** Bytes were taken and not passed on: this connection can never be sound again. */
  swallowed: boolean;
  /** Set by `forget`: the ends do not even learn that the fault is over. */
  forgotten: boolean;
}

const FAR_MS = 60_000;
/** One way, ms, of a delayed link. */
const DELAY_MS = { least: 200, most: 1_200 };

/** Listens on a free port and passes on to `port` of 127.0.0.1. `random` (0 to 1) draws delays. */
export async function openLink(name: string, port: number, random: () => number): Promise<Link> {
  const pairs = new Set<Pair>();
  let fault: LinkFault | null = null;
  let closing = false;

  const server = createServer({ allowHalfOpen: true }, (near) => {
    near.on('error', () => {});
    if (fault === 'cut') {
      near.resetAndDestroy();
      return;
    }
    const far = new Socket({ allowHalfOpen: true });
    const pair: Pair = { near, far, swallowed: fault === 'half-open', forgotten: false };
    pairs.add(pair);
    far.on('error', () => {});
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      socket.once('close', (broken) => {
        // Each end of a forgotten connection hears nothing, also not that the other one has gone.
        if (pair.forgotten && !closing) return;
        // An end that came in order has been passed on in order: what is still on its way arrives.
        if (broken) destroy(pair);
        if (near.closed && far.closed) pairs.delete(pair);
      });
    }
    if (!pair.swallowed) far.connect(port, '127.0.0.1');
    pass(pair, near, far);
    pass(pair, far, near);
  });

  /**
   * In order, whatever the delays drawn, its end last: a connection never swaps bytes. (Two timers did, of which the later one was set
   * while the clock of the event loop stood still: PostgreSQL then got `begin` behind the statements of its transaction.)
   */
  function pass(pair: Pair, from: Socket, to: Socket): void {
    const queue: { readonly bytes: Buffer | null; readonly dueMs: number }[] = [];
    let timer: NodeJS.Timeout | undefined;
    const drain = (): void => {
      timer = undefined;
      for (;;) {
        const first = queue[0];
        if (first === undefined || pair.swallowed || !to.writable) return;
        const wait = first.dueMs - performance.now();
        if (wait > 0) {
          timer = setTimeout(drain, Math.ceil(wait));
          return;
        }
        queue.shift();
        if (first.bytes === null) to.end();
        else if (!to.write(first.bytes)) holdBack(from, to);
      }
    };
    const take = (bytes: Buffer | null): void => {
      if (fault === 'half-open') pair.swallowed = true;
      if (pair.swallowed) {
        if (bytes === null) from.destroy();
        return;
      }
      const late = fault === 'delay' ? DELAY_MS.least + random() * (DELAY_MS.most - DELAY_MS.least) : 0;
      queue.push({ bytes, dueMs: performance.now() + late });
      if (timer === undefined) drain();
    };
    from.on('data', take);
    from.on('end', () => take(null));
    from.once('close', (broken) => {
      if (broken) clearTimeout(timer);
    });
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const each = (act: (pair: Pair) => void): void => {
    for (const pair of [...pairs]) act(pair);
  };
  return {
    name,
    port: portOf(server),
    break(next) {
      fault = next;
      if (next === 'cut') each(destroy);
    },
    heal() {
      fault = null;
      each((pair) => {
        if (pair.swallowed && !pair.forgotten) destroy(pair);
      });
    },
    reset: () => each(destroy),
    forget: () =>
      each((pair) => {
        pair.swallowed = true;
        pair.forgotten = true;
        // The server's own keep-alive finds it some day; here sooner, so that it does not run out of connections.
        setTimeout(() => pair.far.destroy(), FAR_MS).unref();
      }),
    close() {
      closing = true;
      each(destroy);
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** Backpressure: what the far end does not take is not read from the near one. */
function holdBack(from: Socket, to: Socket): void {
  from.pause();
  to.once('drain', () => from.resume());
}

function destroy({ near, far }: Pair): void {
  for (const socket of [near, far]) {
    if (socket.connecting || socket.readyState === 'closed') socket.destroy();
    else socket.resetAndDestroy();
  }
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a link listens on no port');
  return address.port;
}

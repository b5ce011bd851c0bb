/**
 * The keeper's process: one for each agent name, started by the agent, in a session of its own. usage: node main.ts SPOOL
 *
 * Its standard input is a pipe from the agent. When the pipe ends, the agent is gone, and the keeper goes on until the last
 * program has ended. A keeper that is started while another one is alive ends that one and takes its programs over. So an
 * upgrade brings its own keeper, and restarting the agent replaces a frozen keeper.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { SluiceError } from '../../errors.ts';
import { makeSpool } from '../../platforms/shell/attempt-folder.ts';
import { processIdentity } from '../../platforms/shell/process-identity.mjs';
import { takeLock } from '../lock.ts';
import { Keeper } from './keeper.ts';

/** A keeper that gets SIGTERM leaves at once. One that is still there after this time, ms, is stopped (SIGSTOP) and gets SIGKILL. */
const LEAVE_MS = 2_000;
/** Interval of the tries to take the lock, ms. */
const LOOK_MS = 10;

const spool = process.argv[2]!;
let agentLives = true;

async function lockOf(folder: string): Promise<{ release(): void }> {
  const signalledOn = performance.now();
  let signalled: number | undefined;
  for (;;) {
    try {
      return takeLock(folder);
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code !== 'already_running') throw error;
      const pid = Number(error.facts.pid);
      const firmly = performance.now() - signalledOn > LEAVE_MS;
      if (signalled !== pid || firmly) signal(pid, firmly ? 'SIGKILL' : 'SIGTERM');
      signalled = pid;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Gone already.
  }
}

function bootId(): string {
  // Without /proc, identities do not name the boot.
  return existsSync('/proc/self/stat') ? (processIdentity(process.pid) ?? '').split('/')[0]! : '-';
}

makeSpool(spool);
const lock = await lockOf(join(spool, 'keeper'));
for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  process.on(name, () => {
    lock.release();
    process.exit(0);
  });
}
process.stdin.on('end', () => {
  agentLives = false;
});
process.stdin.on('error', () => {
  agentLives = false;
});
process.stdin.resume();

const keeper = new Keeper(spool, bootId(), (epoch, error) => {
  process.stderr.write(
    `${new Date().toISOString()} epoch ${epoch}: ${String((error as Error).stack ?? error)}\n`,
  );
});
keeper.start(() => {
  // When the folder was removed with its agent, nobody will ask for anything.
  if (existsSync(join(spool, 'keeper')) && (agentLives || !keeper.idle)) return;
  lock.release();
  process.exit(0);
});

/**
 * The keeper's process: one for each agent name, started by the agent, in a session of its own. usage: node main.ts SPOOL
 *
 * Its standard input is a pipe from the agent: when that ends the agent is gone, and the keeper goes on until the last
 * program has ended. A keeper that comes while another one lives ends that one and takes its programs over: so an
 * upgrade brings its own, and a frozen keeper is replaced by restarting the agent.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { SluiceError } from '../../errors.ts';
import { makeSpool } from '../../platforms/shell/attempt-folder.ts';
import { processIdentity } from '../../platforms/shell/process-identity.mjs';
import { takeLock } from '../lock.ts';
import { Keeper } from './keeper.ts';

/** A keeper that was asked to leave does so at once; one that is stopped (SIGSTOP) never hears it. */
const LEAVE_MS = 2_000;
const LOOK_MS = 10;

const spool = process.argv[2]!;
let agentLives = true;

async function lockOf(folder: string): Promise<{ release(): void }> {
  const askedOn = performance.now();
  let asked: number | undefined;
  for (;;) {
    try {
      return takeLock(folder);
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code !== 'already_running') throw error;
      const pid = Number(error.facts.pid);
      const firmly = performance.now() - askedOn > LEAVE_MS;
      if (asked !== pid || firmly) signal(pid, firmly ? 'SIGKILL' : 'SIGTERM');
      asked = pid;
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
  // Elsewhere identities have no boot.
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
  // Removed with its agent: nobody will ever ask.
  if (existsSync(join(spool, 'keeper')) && (agentLives || !keeper.idle)) return;
  lock.release();
  process.exit(0);
});

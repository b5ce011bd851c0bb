/**
 * One process per agent name and spool folder (protocol C8). The lock is a file that names its holder's process. The
 * token belongs to the folder and is the same for every process that holds the lock, so it proves a restart.
 */
import { randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SluiceError } from '../errors.ts';
import { processIdentity } from '../platforms/shell/process-identity.mjs';

export interface AgentLock {
  /** Goes into `hello`; 32 hex digits. */
  readonly token: string;
  release(): void;
}

interface Holder {
  readonly pid: number;
  readonly identity: string | undefined;
}

/**
 * Takes the lock of the spool folder, also from a holder that died. Throws `already_running` while a living process
 * holds it.
 *
 * Lock files are numbered. A takeover creates the next number, which only one process can do. A process that finds a higher
 * number afterwards came too late. So no process ever removes the file of another living holder.
 */
export function takeLock(spool: string): AgentLock {
  mkdirSync(spool, { recursive: true, mode: 0o700 });
  const me: Holder = { pid: process.pid, identity: processIdentity(process.pid) };
  for (;;) {
    const highest = numbers(spool).at(-1) ?? 0;
    refuseLiving(spool, highest);
    const mine = highest + 1;
    if (!createWhole(lockFile(spool, mine), JSON.stringify(me))) continue;
    const above = numbers(spool).at(-1)!;
    if (above > mine) {
      rmSync(lockFile(spool, mine), { force: true });
      continue;
    }
    for (const number of numbers(spool)) if (number < mine) rmSync(lockFile(spool, number), { force: true });
    return { token: tokenOf(spool), release: () => rmSync(lockFile(spool, mine), { force: true }) };
  }
}

const lockFile = (spool: string, number: number) => join(spool, `lock.${number}`);

function numbers(spool: string): number[] {
  return readdirSync(spool)
    .flatMap((name) => /^lock\.(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

function refuseLiving(spool: string, number: number): void {
  if (number === 0) return;
  let holder: Holder;
  try {
    holder = JSON.parse(readFileSync(lockFile(spool, number), 'utf8')) as Holder;
  } catch {
    return; // Released in this moment.
  }
  if (holder.identity === undefined || processIdentity(holder.pid) !== holder.identity) return;
  throw new SluiceError('already_running', `process ${holder.pid} runs an agent in ${spool}`, {
    facts: { pid: holder.pid, spool },
  });
}

/** Creates the file with its whole content; false when it exists. */
function createWhole(path: string, text: string): boolean {
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    writeFileSync(draft, text, { mode: 0o600 });
    linkSync(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

function tokenOf(spool: string): string {
  const file = join(spool, 'token');
  createWhole(file, randomBytes(16).toString('hex'));
  return readFileSync(file, 'utf8');
}

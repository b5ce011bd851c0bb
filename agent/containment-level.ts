/** Which containment of programs this machine and this user allow (protocol C5), strongest first. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { SluiceError } from '../errors.ts';
import type { Containment, ContainmentLevel } from '../platforms/shell/attempt-folder.ts';
import { namespaceArguments } from './keeper/launch.ts';

export type ContainmentWish = 'auto' | Exclude<ContainmentLevel, 'group'>;

/** ms. Takes 10 on a machine with nothing to do; one that is overloaded must not lose its containment for that. */
const PROBE_MS = 30_000;

/**
 * The strongest level that works here, tried out; a level that is asked for must work. A namespace of processes is taken
 * by itself only with privileges: without them it needs one of users as well, in which setuid programs have no rights.
 * Throws `invalid_config`. Takes about 10 ms.
 */
export function containmentFor(wish: ContainmentWish, spool: string): Containment {
  if (!existsSync('/proc/self/stat')) return { level: 'group' };
  if (wish === 'auto' || wish === 'cgroup') {
    const cgroup = usableCgroup(spool);
    if (cgroup !== undefined) return { level: 'cgroup', cgroup };
    if (wish === 'cgroup') throw unusable(wish, 'no cgroup v2 that this user may write (docs/operations.md)');
  }
  if (wish === 'namespace' || (wish === 'auto' && process.getuid?.() === 0)) {
    if (namespacesWork()) return { level: 'namespace' };
    if (wish === 'namespace') throw unusable(wish, 'this user may not make a PID namespace');
  }
  return { level: 'marks' };
}

function unusable(wish: string, why: string): SluiceError {
  return new SluiceError('invalid_config', `SLUICE_AGENT_CONTAINMENT is ${wish}, but there is ${why}`);
}

function namespacesWork(): boolean {
  const options = { timeout: PROBE_MS, stdio: 'ignore' } as const;
  return spawnSync('unshare', [...namespaceArguments, 'true'], options).status === 0;
}

/** A folder below this process's own cgroup in which processes can be put and ended together. */
function usableCgroup(spool: string): string | undefined {
  try {
    const mount = /^\S+ \S+ \S+ \S+ (\S+) .* - cgroup2 /m.exec(
      readFileSync('/proc/self/mountinfo', 'utf8'),
    )?.[1];
    const own = /^0::(\/.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1];
    if (mount === undefined || own === undefined || own.includes('..')) return undefined;
    const name = `sluice-${createHash('sha256').update(spool).digest('hex').slice(0, 12)}`;
    const folder = join(mount, own.replace(/\/sluice-[0-9a-f]{12}$/, ''), name);
    mkdirSync(folder, { recursive: true });
    clearLeaves(folder);
    const probe = join(folder, `probe-${process.pid}`);
    mkdirSync(probe);
    try {
      const script = 'echo 0 > "$1/cgroup.procs"';
      const entered = spawnSync('/bin/sh', ['-c', script, 'sh', probe], {
        timeout: PROBE_MS,
        stdio: 'ignore',
      });
      return entered.status === 0 && existsSync(join(probe, 'cgroup.kill')) ? folder : undefined;
    } finally {
      rmdirSync(probe);
    }
  } catch {
    return undefined;
  }
}

/** Leaves in which something lived on when their attempts ended, and is gone now. */
function clearLeaves(folder: string): void {
  for (const it of readdirSync(folder, { withFileTypes: true })) {
    if (!it.isDirectory()) continue;
    try {
      rmdirSync(join(folder, it.name));
    } catch {
      // In use.
    }
  }
}

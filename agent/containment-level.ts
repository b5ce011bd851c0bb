/** Which containment of programs this machine and this user allow (protocol C5), strongest first. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { SluiceError } from '../errors.ts';
import type { Containment, ContainmentLevel } from '../platforms/shell/attempt-folder.ts';
import { namespaceArguments } from './keeper/launch.ts';

type RequestedContainment = 'auto' | Exclude<ContainmentLevel, 'group'>;

/** Timeout of a trial, ms. A trial takes 10 ms on an idle machine; an overloaded machine must not get a weaker containment. */
const PROBE_MS = 30_000;

/**
 * The strongest level that works here. Each level is tried out. Throws `invalid_config` when a level was requested and does not work.
 * `auto` takes a PID namespace only for root: any other user needs a user namespace as well, in which setuid programs have no rights.
 * Takes about 10 ms.
 */
export function containmentFor(requested: RequestedContainment, spool: string): Containment {
  if (!existsSync('/proc/self/stat')) return { level: 'group' };
  if (requested === 'auto' || requested === 'cgroup') {
    const cgroup = usableCgroup(spool);
    if (cgroup !== undefined) return { level: 'cgroup', cgroup };
    if (requested === 'cgroup')
      throw unusable(requested, 'there is no cgroup v2 that this user may write (docs/operations.md)');
  }
  if (requested === 'namespace' || (requested === 'auto' && process.getuid?.() === 0)) {
    if (namespacesWork()) return { level: 'namespace' };
    if (requested === 'namespace') throw unusable(requested, 'this user may not create a PID namespace');
  }
  return { level: 'marks' };
}

function unusable(requested: string, reason: string): SluiceError {
  return new SluiceError('invalid_config', `SLUICE_AGENT_CONTAINMENT is ${requested}, but ${reason}`);
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

/** Removes the cgroups of earlier attempts in which no process is alive any more. */
function clearLeaves(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    try {
      rmdirSync(join(folder, entry.name));
    } catch {
      // In use.
    }
  }
}

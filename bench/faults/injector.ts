/** Carries out a schedule of faults on an installation, each at its time, and sees to it that everything is sound again afterwards. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Installation } from './installation.ts';
import type { Fault, Injection } from './schedule.ts';
import { FAULTS, shuffled } from './schedule.ts';
import type { SmallDisk } from './small-disk.ts';

export interface Injected {
  /** How often each fault struck. */
  readonly counts: Readonly<Record<Fault, number>>;
  /** Of these, how many struck while no attempt was in flight: they prove little. */
  readonly idle: number;
}

interface InjectorOptions {
  readonly installation: Installation;
  readonly disks: ReadonlyMap<string, SmallDisk>;
  readonly random: () => number;
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

/** How long a fault that needs a victim at work waits for one. */
const VICTIM_MS = 10_000;
const LISTENERS =
  "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'sluice-listen'";

export async function carryOut(schedule: readonly Injection[], options: InjectorOptions): Promise<Injected> {
  const { installation, disks, random, say, signal } = options;
  const { parts, links, record } = installation;
  const counts = Object.fromEntries(FAULTS.map((fault) => [fault, 0])) as Record<Fault, number>;
  const began = performance.now();
  let idle = 0;

  const pidOf = (name: string): number => parts.get(name)!.current().pid;
  /** A process may be killed while it is frozen: then there is nobody to go on. */
  const send = (pid: number, name: string, what: 'SIGSTOP' | 'SIGCONT'): void => {
    if (pidOf(name) === pid && parts.get(name)!.current() !== undefined)
      try {
        process.kill(pid, what);
      } catch {
        // Killed meanwhile.
      }
  };
  const wait = (ms: number): Promise<void> => pause(ms, undefined, { signal }).catch(() => {});

  /** Attempts that run on the agent now; null when the record does not answer. */
  async function running(agent: string | null): Promise<number | null> {
    try {
      const found = await record.query<{ n: number }>(
        'select count(*)::int as n from leases where started_ms is not null and ($1::text is null or agent = $1)',
        [agent],
      );
      return found.rows[0]!.n;
    } catch {
      return null;
    }
  }

  /** A late result needs a program that runs when its agent falls silent. */
  async function atWork(agent: string): Promise<void> {
    const until = performance.now() + VICTIM_MS;
    while (performance.now() < until && !signal.aborted && ((await running(agent)) ?? 0) === 0)
      await wait(50);
  }

  async function strike({ fault, target, forMs }: Injection): Promise<boolean> {
    switch (fault) {
      case 'kill-agent':
        await atWork(target);
        await parts.get(target)!.current().kill9();
        return true;
      case 'kill-worker':
      case 'kill-api':
      case 'kill-temporal':
      case 'kill-postgres':
        await parts.get(target)!.current().kill9();
        return true;
      case 'freeze-agent':
      case 'freeze-worker': {
        if (fault === 'freeze-agent') await atWork(target);
        const pid = pidOf(target);
        send(pid, target, 'SIGSTOP');
        await wait(forMs);
        send(pid, target, 'SIGCONT');
        return true;
      }
      case 'silence-agent': {
        await atWork(target);
        const link = links.get(`${target}>api`)!;
        link.break('half-open');
        await wait(forMs);
        link.heal();
        return true;
      }
      case 'drop-wakes':
        return dropWakes(forMs);
      case 'fill-disk': {
        await atWork(target);
        const pid = pidOf(target);
        const how = await disks.get(target)!.fill(pid);
        await wait(forMs);
        await disks.get(target)!.free(pid);
        return how !== null;
      }
      case 'swizzle-agents':
        return swizzle(forMs);
      case 'delay':
      case 'cut':
      case 'half-open': {
        const link = links.get(target)!;
        link.break(fault);
        await wait(forMs);
        link.heal();
        return true;
      }
      case 'reset':
        links.get(target)!.reset();
        return true;
      case 'forget':
        links.get(target)!.forget();
        return true;
      default:
        return fault satisfies never;
    }
  }

  /** No notification arrives, and no signal: every listening connection is ended again and again, and the workers' way to Temporal is cut. */
  async function dropWakes(forMs: number): Promise<boolean> {
    const temporal = installation.workers.map((worker) => links.get(`${worker}>temporal`)!);
    const until = performance.now() + forMs;
    for (const link of temporal) link.break('cut');
    while (performance.now() < until && !signal.aborted) {
      await record.query(LISTENERS).catch(() => {});
      if (performance.now() > until - forMs / 2) for (const link of temporal) link.heal();
      await wait(200);
    }
    for (const link of temporal) link.heal();
    return true;
  }

  /** Cuts the agents off one by one and lets them back in another order. */
  async function swizzle(forMs: number): Promise<boolean> {
    const cut = shuffled(installation.agents, random).map((entry) => links.get(`${entry}>api`)!);
    for (const link of cut) {
      link.break('cut');
      await wait(300);
    }
    await wait(forMs);
    for (const link of shuffled(cut, random)) {
      link.heal();
      await wait(300);
    }
    return true;
  }

  const strikes = schedule.map(async (injection) => {
    await wait(Math.max(0, injection.atMs - (performance.now() - began)));
    if (signal.aborted) return;
    const inFlight = await running(null);
    const { fault, target, forMs } = injection;
    const at = ((performance.now() - began) / 1_000).toFixed(1);
    say(`+${at} s ${fault} ${target}${forMs > 0 ? ` for ${forMs} ms` : ''}, ${inFlight ?? '?'} running`);
    if (!(await strike(injection))) return;
    counts[fault]++;
    if (inFlight === 0) idle++;
  });
  await Promise.all(strikes);
  for (const link of links.values()) link.heal();
  return { counts, idle };
}

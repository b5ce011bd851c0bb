/**
 * What is done to whom and when, drawn from a seed before anything starts: the same seed, minutes and targets give the same schedule.
 * A round holds every kind of fault in a drawn order, and one round follows the other, so that each kind comes about equally often and
 * the shortest run sees them all. Faults overlap: most last longer than the pause to the next.
 */
import { randomOf } from '../load/graphs.ts';

export type Fault =
  | 'kill-worker'
  | 'kill-api'
  | 'kill-agent'
  | 'kill-temporal'
  | 'kill-postgres'
  | 'freeze-agent'
  | 'silence-agent'
  | 'freeze-worker'
  | 'drop-wakes'
  | 'fill-disk'
  | 'swizzle-agents'
  | 'delay'
  | 'cut'
  | 'half-open'
  | 'reset'
  | 'forget';

export interface Injection {
  /** Since the first moment in which faults may strike. */
  readonly atMs: number;
  readonly fault: Fault;
  /** A process (`agent-2`), a link (`worker-1>postgres`) or `*`. */
  readonly target: string;
  /** How long it lasts, ms; 0: it is over at once. */
  readonly forMs: number;
}

/** Names of the processes and links that faults may strike. */
export interface Targets {
  readonly apis: readonly string[];
  readonly workers: readonly string[];
  readonly agents: readonly string[];
  readonly links: readonly string[];
}

export interface Times {
  /** A frozen or cut agent stays so for longer than this: its results must be refused. */
  readonly leaseMs: number;
  /** A frozen worker stays so for longer than this: its runs change hands. */
  readonly taskTimeoutMs: number;
}

/** How often each fault strikes in one round. */
const ROUND: readonly (readonly [Fault, number])[] = [
  ['kill-worker', 2],
  ['kill-api', 2],
  ['kill-agent', 2],
  ['kill-temporal', 1],
  ['kill-postgres', 1],
  ['freeze-agent', 2],
  ['silence-agent', 1],
  ['freeze-worker', 1],
  ['drop-wakes', 1],
  ['fill-disk', 1],
  ['swizzle-agents', 1],
  ['delay', 2],
  ['cut', 2],
  ['half-open', 2],
  ['reset', 2],
  ['forget', 1],
];
export const FAULTS: readonly Fault[] = ROUND.map(([fault]) => fault);
const ROUND_SIZE = ROUND.reduce((sum, [, n]) => sum + n, 0);
/** Mean pause between two injections, ms. */
const PAUSE_MS = 3_500;
const LINK_MS = { least: 2_000, most: 7_000 };

/** Injections in order of time: whole rounds, at least one. A short run has shorter pauses. */
export function drawSchedule(seed: number, minutes: number, targets: Targets, times: Times): Injection[] {
  const random = randomOf(seed);
  const totalMs = minutes * 60_000;
  const rounds = Math.max(1, Math.round(totalMs / (ROUND_SIZE * PAUSE_MS)));
  const pauseMs = totalMs / (rounds * ROUND_SIZE + 1);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const between = (least: number, most: number): number => Math.round(least + random() * (most - least));
  const schedule: Injection[] = [];
  for (let round = 0; round < rounds; round++)
    for (const fault of shuffled(
      ROUND.flatMap(([it, n]) => Array.from({ length: n }, () => it)),
      random,
    )) {
      const nth = schedule.length;
      const atMs = Math.round((nth + 0.25 + random() * 0.5) * pauseMs);
      schedule.push({ atMs, fault, ...aim(fault) });
    }
  return schedule;

  function aim(fault: Fault): { target: string; forMs: number } {
    switch (fault) {
      case 'kill-worker':
        return { target: pick(targets.workers), forMs: 0 };
      case 'kill-api':
        return { target: pick(targets.apis), forMs: 0 };
      case 'kill-agent':
        return { target: pick(targets.agents), forMs: 0 };
      case 'kill-temporal':
        return { target: 'temporal', forMs: 0 };
      case 'kill-postgres':
        return { target: 'postgres', forMs: 0 };
      case 'freeze-agent':
      case 'silence-agent':
        // Longer than the lease by more than the reaper's and the heartbeat's own pace.
        return { target: pick(targets.agents), forMs: times.leaseMs + between(3_000, 6_000) };
      case 'freeze-worker':
        return { target: pick(targets.workers), forMs: times.taskTimeoutMs + between(1_000, 4_000) };
      case 'drop-wakes':
        return { target: '*', forMs: between(4_000, 8_000) };
      case 'fill-disk':
        return { target: pick(targets.agents), forMs: between(4_000, 8_000) };
      case 'swizzle-agents':
        return { target: '*', forMs: between(1_000, 3_000) };
      case 'delay':
      case 'cut':
      case 'half-open':
        return { target: pick(targets.links), forMs: between(LINK_MS.least, LINK_MS.most) };
      case 'reset':
      case 'forget':
        return { target: pick(targets.links), forMs: 0 };
      default:
        return fault satisfies never;
    }
  }
}

export function shuffled<T>(list: readonly T[], random: () => number): T[] {
  const mixed = [...list];
  for (let i = mixed.length - 1; i > 0; i--) {
    const k = Math.floor(random() * (i + 1));
    [mixed[i], mixed[k]] = [mixed[k]!, mixed[i]!];
  }
  return mixed;
}

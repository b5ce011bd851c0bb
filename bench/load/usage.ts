/** What the parts of a system use: processor time and memory, from /proc. Linux only: elsewhere everything is 0. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Ticks of /proc/<pid>/stat a second: USER_HZ, the same on every Linux that Node runs on. */
const TICKS = 100;

export type Part = 'api' | 'worker' | 'agents' | 'postgres' | 'temporal';
export type ByPart = Record<Part, number>;

const PARTS: readonly Part[] = ['api', 'worker', 'agents', 'postgres', 'temporal'];

interface Process {
  readonly part: Part;
  readonly pid: number;
}

/** Pids of a system's parts and of all that they have started. */
async function processesOf(home: string): Promise<Process[]> {
  const files = await readdir(join(home, 'run'));
  const roots = await Promise.all(
    files.map(async (file): Promise<Process> => {
      const { name, pid } = JSON.parse(await readFile(join(home, 'run', file), 'utf8')) as {
        name: string;
        pid: number;
      };
      return { part: PARTS.find((part) => part === name.replace(/-\d+$/, '')) ?? 'agents', pid };
    }),
  );
  const parents = new Map<number, number[]>();
  for (const entry of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = await statOf(Number(entry));
    if (stat === null) continue;
    const parent = Number(stat[1]);
    parents.set(parent, [...(parents.get(parent) ?? []), Number(entry)]);
  }
  const withChildren = ({ part, pid }: Process): Process[] => [
    { part, pid },
    ...(parents.get(pid) ?? []).flatMap((child) => withChildren({ part, pid: child })),
  ];
  return roots.flatMap(withChildren);
}

/** Fields of /proc/<pid>/stat from `state` on. */
async function statOf(pid: number): Promise<string[] | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  return text === null ? null : text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** Processor seconds used so far by each part; of a server, with its children, also those that have ended. */
export async function cpuSeconds(home: string): Promise<ByPart> {
  return sumOf(home, async ({ pid }) => {
    const stat = await statOf(pid);
    // utime, stime, and those of children that were waited for: a backend that has ended counts with the postmaster.
    return stat === null ? 0 : [11, 12, 13, 14].reduce((sum, i) => sum + Number(stat[i]), 0) / TICKS;
  });
}

/** Memory of each part now, MB: resident set; of PostgreSQL the proportional set, so that its shared buffers count once. */
export async function memoryMb(home: string): Promise<ByPart> {
  return sumOf(home, async ({ pid, part }) => {
    const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
    const line = part === 'postgres' ? /^Pss:\s+(\d+) kB/m : /^Rss:\s+(\d+) kB/m;
    return Number(line.exec(rollup)?.[1] ?? 0) / 1024;
  });
}

async function sumOf(home: string, measure: (process: Process) => Promise<number>): Promise<ByPart> {
  const sums: ByPart = { api: 0, worker: 0, agents: 0, postgres: 0, temporal: 0 };
  for (const process of await processesOf(home)) sums[process.part] += await measure(process);
  return sums;
}

/** A look takes at most this part of the time: what is measured must not be the measuring. */
const LOOK_SHARE = 0.02;

/** Watches memory until `stop`, which answers the highest of each part, MB. */
export function watchMemory(home: string, everyMs = 250): { stop(): Promise<ByPart> } {
  const peak: ByPart = { api: 0, worker: 0, agents: 0, postgres: 0, temporal: 0 };
  let over = false;
  const look = async (): Promise<void> => {
    const now = await memoryMb(home);
    for (const part of PARTS) peak[part] = Math.max(peak[part], now[part]);
  };
  const watching = (async () => {
    while (!over) {
      const since = performance.now();
      await look();
      const tookMs = performance.now() - since;
      await new Promise((resolve) => setTimeout(resolve, Math.max(everyMs, tookMs / LOOK_SHARE)));
    }
  })();
  return {
    async stop() {
      over = true;
      await watching;
      await look();
      return mapParts(peak, (mb) => Math.round(mb));
    },
  };
}

export function mapParts(values: ByPart, change: (value: number, part: Part) => number): ByPart {
  return Object.fromEntries(PARTS.map((part) => [part, change(values[part], part)])) as ByPart;
}

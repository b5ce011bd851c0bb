/**
 * An estate like the one that Sluice is made for, from a seed: of 13,000 flows 1,000 day and 60 month programs, 1,200 interfaces of four
 * or five load nodes each, 3,000 distributions with export and import, a handful of hour programs. Proportions and
 * words are those of a telecom warehouse; the same seed gives the same estate on every machine.
 */
import type { Cycle, Estate, EstateFlow, Growing, Wanted } from './model.ts';
import { dayPrograms, hourPrograms, monthPrograms } from './programs.ts';
import { type Draws, drawsOf } from './random.ts';

const TEAMS = [
  'billing',
  'usage',
  'customer',
  'channel',
  'network',
  'finance',
  'report',
  'dimension',
  'settlement',
];
/** Fewer make no estate: each cycle and kind wants a few. */
export const FEWEST = 200;

/** `flows` vertices in all cycles together, at least `FEWEST`. O(flows). */
export function makeEstate({ flows, seed }: { flows: number; seed: number }): Estate {
  const draws = drawsOf(seed, 'estate');
  const list: EstateFlow[] = [];
  const estate: Growing = {
    draws,
    flows: list,
    add(wanted) {
      const flow = { ...completed(wanted, draws), v: list.length };
      list.push(flow);
      return flow;
    },
  };
  const share = (of13000: number, least: number) => Math.max(least, Math.round((flows * of13000) / 13_000));
  const counts = {
    day: share(1000, 10),
    month: share(60, 10),
    hour: share(6, 2),
    distribution: share(3000, 20),
  };
  const nodes = flows - counts.day - counts.month - counts.hour - 2 * counts.distribution;
  const interfaces = Math.min(Math.floor(nodes / 4), Math.max(share(1200, 10), Math.ceil(nodes / 5)));
  const loads = addInterfaces(estate, interfaces, nodes);
  const hours = hourPrograms(estate, counts.hour, loads.hour);
  const days = dayPrograms(estate, counts, loads.day, hours);
  monthPrograms(estate, counts.month, loads.month, days);
  return { seed, flows: list };
}

function completed(wanted: Wanted, draws: Draws): Omit<EstateFlow, 'v'> {
  const person = wanted.kind === 'gate' || wanted.kind === 'check' || wanted.kind === 'notify';
  const base = { yt: 0.6, mpp: 0.4 };
  return {
    owner: draws.pick(TEAMS),
    procedure: null,
    platform: person ? null : draws.chance(base.mpp) ? 'mpp' : 'yt',
    groups: [],
    key: false,
    pool: null,
    startAt: null,
    deadline: null,
    retries: !person && draws.chance(0.3) ? 1 : 0,
    after: [],
    baseMs: person ? 0 : Math.round(90_000 * draws.noise(0.9)),
    season: {
      weekend: draws.chance(0.4) ? 0.5 + draws.next() * 0.3 : 1,
      monthStart: draws.chance(0.35) ? 1.3 + draws.next() : 1,
      monthEnd: draws.chance(0.2) ? 1.2 + draws.next() * 0.6 : 1,
    },
    distribution: null,
    ...wanted,
  };
}

/** Clock by which an interface's files are expected: seen from the period. */
const EXPECTED = {
  hour: (draws: Draws) => `+1 hour, 00:${two(5 + draws.below(10))}`,
  day: (draws: Draws) => `+1 day, ${two(draws.below(4))}:${two(draws.below(60))}`,
  month: (draws: Draws) => `+1 month, day ${1 + draws.below(3)}, ${two(2 + draws.below(6))}:00`,
};

const two = (n: number): string => String(n).padStart(2, '0');

/** Loads that others wait for, by cycle. Each interface is fetch -> prepare -> check -> load into YT, most also into the MPP. */
function addInterfaces(
  { draws, add }: Growing,
  interfaces: number,
  nodes: number,
): Record<Cycle, EstateFlow[]> {
  const loads: Record<Cycle, EstateFlow[]> = { hour: [], day: [], month: [] };
  const both = nodes - 4 * interfaces;
  const hours = Math.max(1, Math.round(interfaces / 120));
  const months = Math.max(2, Math.round(interfaces / 50));
  const order = Array.from({ length: interfaces }, (_, i) => i);
  const withMpp = new Set(draws.some(order, both));
  for (const i of order) {
    const number = String(10 + i * 7).padStart(5, '0');
    const cycle: Cycle = i < hours ? 'hour' : i < hours + months ? 'month' : 'day';
    const startAt = EXPECTED[cycle](draws);
    const shared = {
      cycle,
      layer: 'ODS',
      kind: 'interface',
      owner: draws.pick(TEAMS),
      groups: draws.chance(0.1) ? ['firstLevelBi'] : [],
    } as const;
    let last: EstateFlow | null = null;
    for (const [node, en, zh, ms] of [
      ['Fetch', 'fetch', '取数', 20_000],
      ['Prepare', 'pre-processing', '预处理', 40_000],
      ['CheckFile', 'check file', '校验文件', 3_000],
      ['LoadYt', 'load into YT', '装载 YT', 60_000],
      ['LoadMpp', 'load into the MPP', '装载 MPP', 60_000],
    ] as const) {
      if (node === 'LoadMpp' && !withMpp.has(i)) continue;
      const flow: EstateFlow = add({
        ...shared,
        id: `I${number}.${node}`,
        names: { en: `Interface ${number}: ${en}`, zh: `接口 ${number}：${zh}` },
        platform: node === 'LoadMpp' ? 'mpp' : 'yt',
        pool: node === 'LoadYt' ? 'ytLoads' : node === 'LoadMpp' ? 'mppLoads' : null,
        startAt: node === 'Fetch' ? startAt : null,
        retries: node === 'Fetch' ? 3 : 0,
        baseMs: Math.round(ms * draws.noise(0.6)),
        after: last === null ? [] : [{ from: last, period: 'same' }],
      });
      if (node === 'LoadYt' || node === 'LoadMpp') loads[cycle].push(flow);
      // Both loads wait for the check file, not for each other.
      else last = flow;
    }
  }
  return loads;
}

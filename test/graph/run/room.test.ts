import { describe, expect, test } from 'vitest';
import { type AgentRoom, allot, keptUnits, type Rooms, type WaitingFlow } from '../../../graph/run/room.ts';
import { play, randomEstate } from './room-simulation.ts';

interface Flow extends WaitingFlow {
  readonly id: string;
}

const flow = (id: string, rest: Partial<WaitingFlow> = {}): Flow => ({
  id,
  platform: 'yt',
  labels: [],
  pools: [],
  amounts: [],
  locks: [],
  ...rest,
});
const agent = (name: string, rest: Partial<AgentRoom> = {}): AgentRoom => ({
  name,
  platform: 'yt',
  labels: [],
  free: 8,
  takes: 8,
  ...rest,
});
const rooms = (pools: Record<string, [used: number, size: number]>, rest: Partial<Rooms> = {}): Rooms => ({
  pools: new Map(Object.entries(pools).map(([name, [used, size]]) => [name, { used, size }])),
  heldLocks: new Set(),
  agents: [agent('a')],
  ...rest,
});
const p = (n: number): Partial<WaitingFlow> => ({ pools: ['p'], amounts: [n] });
const small = (id: string): Flow => flow(id, p(1));

function dealt(first: readonly Flow[], waiting: readonly Flow[], given: Rooms, takeable = true) {
  const agents = given.agents.filter((other) => other.takes > 0).map((other) => other.name);
  const { assigned, kept } = allot(
    first.map((asking) => ({ asking, takeable })),
    [{ agents, waiting }],
    given,
    (a, b) => (a.id < b.id ? -1 : 1),
  );
  return {
    assigned: assigned.map((entry) => entry.asking.id),
    kept: kept.map((entry) => entry.asking.id),
    units: Object.fromEntries(keptUnits(kept)),
  };
}

describe('C10: room is kept for an expedited or key flow that lacks nothing else', () => {
  test('small flows do not take the units of a pool that the whole one waits for', () => {
    expect(dealt([flow('X', p(4))], [small('s1'), small('s2')], rooms({ p: [2, 4] }))).toEqual({
      assigned: [],
      kept: ['X'],
      units: { p: 4 },
    });
  });

  test('it starts when its room is there, before all others', () => {
    expect(dealt([flow('X', p(4))], [small('a')], rooms({ p: [0, 4] }))).toMatchObject({
      assigned: ['X'],
      kept: [],
    });
  });

  test('what it does not need is given to others', () => {
    expect(
      dealt([flow('X', p(3))], [small('s1'), small('s2')], rooms({ p: [2, 6], q: [0, 1] })),
    ).toMatchObject({
      assigned: ['X', 's1'],
    });
    expect(dealt([flow('X', p(3))], [small('s1'), flow('free')], rooms({ p: [1, 3] }))).toMatchObject({
      assigned: ['free'],
      kept: ['X'],
    });
  });

  test('two that need two pools each do not block each other: the first in line is served first', () => {
    const one = flow('X', { pools: ['p', 'q'], amounts: [2, 2] });
    const two = flow('Y', { pools: ['q', 'p'], amounts: [2, 2] });
    expect(dealt([one, two], [], rooms({ p: [0, 2], q: [0, 2] }))).toMatchObject({
      assigned: ['X'],
      kept: ['Y'],
    });
    expect(dealt([one, two], [], rooms({ p: [2, 2], q: [0, 2] }))).toMatchObject({
      assigned: [],
      kept: ['X', 'Y'],
    });
  });

  const lacking: [string, Flow, Partial<Rooms>][] = [
    ['an agent', flow('X', { ...p(4), platform: 'gp' }), {}],
    ['an agent with its labels', flow('X', { ...p(4), labels: ['gpu'] }), {}],
    [
      'a free slot',
      flow('X', { ...p(4), labels: ['gpu'] }),
      { agents: [agent('a'), agent('g', { labels: ['gpu'], free: 0 })] },
    ],
    ['a lock', flow('X', { ...p(4), locks: ['lock:a'] }), { heldLocks: new Set(['lock:a']) }],
    ['a pool', flow('X', { pools: ['p', 'gone'], amounts: [4, 1] }), {}],
    ['a pool that is large enough', flow('X', p(5)), {}],
  ];
  test.each(lacking)('no pool is kept for a flow that lacks %s', (_, x, rest) => {
    const answer = dealt([x], [small('s1')], rooms({ p: [2, 4] }, rest));
    expect(answer).toMatchObject({ assigned: ['s1'], units: {} });
  });

  test('its free locks are kept while it waits for another one, so that it gets both', () => {
    const x = flow('X', { locks: ['lock:a', 'lock:b'] });
    const other = flow('s', { locks: ['lock:b'] });
    expect(dealt([x], [other], rooms({}, { heldLocks: new Set(['lock:a']) })).assigned).toEqual([]);
  });

  test('a slot of the only agent with its label is kept', () => {
    const x = flow('X', { ...p(4), labels: ['gpu'] });
    const agents = [agent('plain', { takes: 0 }), agent('g', { labels: ['gpu'], free: 1, takes: 1 })];
    expect(dealt([x], [flow('s')], rooms({ p: [1, 4] }, { agents })).assigned).toEqual([]);
    expect(dealt([x], [flow('s')], rooms({ p: [0, 4] }, { agents })).assigned).toEqual(['X']);
  });

  test('one slot is kept, whichever agent asks', () => {
    const x = flow('X', p(4));
    for (const asking of ['a', 'b']) {
      const agents = ['a', 'b'].map((name) =>
        agent(name, { free: name === 'a' ? 2 : 1, takes: name === asking ? 2 : 0 }),
      );
      expect(dealt([x], [flow('s1'), flow('s2')], rooms({ p: [1, 4] }, { agents })).assigned).toEqual(['s1']);
    }
  });

  test('room is kept for one whose row another claim has in hand', () => {
    expect(dealt([flow('X', p(4))], [small('s')], rooms({ p: [0, 4] }), false)).toMatchObject({
      assigned: [],
      kept: ['X'],
    });
  });
});

describe('1,000 random estates', () => {
  test('nobody starves, nothing is exceeded, and at least 90 % of what greed would carry out is carried out', () => {
    let [kept, greedy, waits] = [0, 0, 0];
    for (let seed = 1; seed <= 1_000; seed++) {
      const estate = randomEstate(seed);
      const ended = play(estate, seed, true);
      expect({ seed, faults: ended.faults }).toEqual({ seed, faults: [] });
      kept += ended.endedAt;
      greedy += play(estate, seed, false).endedAt;
      waits += ended.waits;
    }
    expect(waits).toBeGreaterThan(1_000);
    expect(greedy / kept).toBeGreaterThanOrEqual(0.9);
  });
});

/** The checker of the fault harness can fail: a sound record passes, and each way of doctoring it is named. */
import { expect, test } from 'vitest';
import type { Acknowledged } from '../../bench/faults/asker.ts';
import type { AttemptFact, Facts } from '../../bench/faults/facts.ts';
import { violationsOf } from '../../bench/faults/invariants.ts';

const RUN = 'month-2030-01';
const base = { run: RUN, generation: 1 };

const attempt = (
  epoch: number,
  flow: string,
  sentMs: number,
  more: Partial<AttemptFact> = {},
): AttemptFact => ({
  ...base,
  epoch,
  flow,
  attempt: 1,
  agent: 'agent-1',
  sentMs,
  startedMs: sentMs + 1,
  endedMs: sentMs + 50,
  outcome: 'succeeded',
  failure: null,
  stale: false,
  ...more,
});

const acknowledged: Acknowledged = {
  operator: 'operator-1',
  key: 'k1',
  run: RUN,
  verb: 'hold',
  targets: ['B'],
  outcome: 'applied',
  operation: 'op-1',
  code: null,
  tries: 1,
};

/** A succeeded, B after it was held for a while, S is a shell program that must not be repeated; A's first attempt was lost and came late. */
const sound: Facts = {
  estate: {
    pools: [{ id: 'narrow', size: 1 }],
    flows: [
      {
        id: 'A',
        after: [],
        effect: 'sql',
        idempotent: false,
        pool: 'narrow',
        lock: null,
        shared: false,
        daemon: false,
      },
      {
        id: 'B',
        after: ['A'],
        effect: 'sql',
        idempotent: false,
        pool: 'narrow',
        lock: null,
        shared: false,
        daemon: false,
      },
      {
        id: 'S',
        after: [],
        effect: 'shell',
        idempotent: false,
        pool: null,
        lock: 'L',
        shared: false,
        daemon: true,
      },
    ],
  },
  slots: { 'agent-1': 2, 'agent-2': 1 },
  runs: [{ run: RUN, finished: true, frozen: null, logSeq: 5, cursor: 5 }],
  flows: [
    { ...base, flow: 'A', result: 'succeeded', resultMs: 400 },
    { ...base, flow: 'B', result: 'succeeded', resultMs: 600 },
    { ...base, flow: 'S', result: 'succeeded', resultMs: 200 },
  ],
  generations: [],
  overrides: [{ run: RUN, flow: 'B', kind: 'hold', from: null, operation: 'op-1', atMs: 100, endedMs: 450 }],
  attempts: [
    attempt(1, 'A', 100, { agent: 'agent-2', outcome: 'lost', failure: 'lost', endedMs: 300, stale: true }),
    attempt(2, 'S', 120),
    attempt(3, 'A', 310, { attempt: 2 }),
    attempt(4, 'B', 500),
  ],
  log: [
    { run: RUN, seq: 1, kind: 'operation', flow: null, epoch: null, outcome: null },
    { run: RUN, seq: 2, kind: 'completion', flow: 'S', epoch: 2, outcome: 'succeeded' },
    { run: RUN, seq: 3, kind: 'lost', flow: 'A', epoch: 1, outcome: 'lost' },
    { run: RUN, seq: 4, kind: 'completion', flow: 'A', epoch: 3, outcome: 'succeeded' },
    { run: RUN, seq: 5, kind: 'completion', flow: 'B', epoch: 4, outcome: 'succeeded' },
  ],
  operations: [{ id: 'op-1', state: 'applied', code: null, done: ['B'] }],
  audit: [{ operation: 'op-1', actor: 'operator-1', verb: 'hold', outcome: 'applied', code: null }],
  // The lost attempt had committed: the second one found its effects done.
  effects: [
    { ...base, flow: 'A', period: '203001', epoch: 1 },
    { ...base, flow: 'B', period: '203001', epoch: 4 },
  ],
  targets: [
    { flow: 'A', period: '203001', generation: 1, epoch: 1 },
    { flow: 'B', period: '203001', generation: 1, epoch: 4 },
  ],
  notes: [
    { what: 'start', ...base, flow: 'S', attempt: 1, epoch: 2 },
    { what: 'stop', ...base, flow: 'S', attempt: 1, epoch: 2 },
  ],
  // S ends at 170 in the record.
  beats: [{ epoch: 2, firstMs: 130, lastMs: 160 }],
  acknowledged: [acknowledged],
  corrections: ['c1', 'c2'],
  acts: [
    { correction: 'c1', state: 'applied', plan: 'p1' },
    { correction: 'c2', state: 'covered', plan: null },
  ],
  carried: [{ id: 'op-9', run: RUN, plan: 'p1', state: 'applied' }],
  left: { leases: 0, outbox: 0, locks: 0, pools: 0 },
};

type Doctored = (facts: Facts) => Partial<Facts>;
const change = <T>(list: readonly T[], i: number, changes: Partial<T>): T[] =>
  list.map((item, k) => (k === i ? { ...item, ...changes } : item));

/** What was done to the record -> the invariants that must be named. */
const SABOTEURS: readonly (readonly [string, Doctored, readonly string[]])[] = [
  [
    'a correction that no rule has looked at',
    () => ({ corrections: ['c1', 'c2', 'c3'] }),
    ['correction_kept'],
  ],
  [
    'a correction that gathers for ever',
    ({ acts }) => ({ acts: change(acts, 1, { state: 'gathering' }) }),
    ['correction_kept'],
  ],
  [
    'a correction that is carried twice',
    ({ carried }) => ({ carried: [...carried, { ...carried[0]!, id: 'op-10' }] }),
    ['carried_once'],
  ],
  [
    'a rerun of a rule that no act knows of',
    ({ carried }) => ({ carried: [...carried, { ...carried[0]!, id: 'op-10', plan: 'p2' }] }),
    ['carried_once'],
  ],
  ['an act that says applied, and nothing was', () => ({ carried: [] }), ['correction_kept']],
  [
    'an effect that is there twice',
    ({ effects }) => ({ effects: [...effects, { ...effects[1]!, epoch: 4 }] }),
    ['one_effect'],
  ],
  [
    'a daemon that lives on after the end of its attempt',
    ({ beats }) => ({ beats: change(beats, 0, { lastMs: 171 }) }),
    ['no_survivor'],
  ],
  [
    'a daemon of a lost attempt that lives on beside the next one',
    ({ beats }) => ({ beats: [...beats, { epoch: 1, firstMs: 110, lastMs: 312 }] }),
    ['no_survivor'],
  ],
  [
    'an accepted success without effect',
    ({ effects }) => ({ effects: effects.slice(0, 1) }),
    ['one_effect', 'newest_stands'],
  ],
  [
    'an effect of an attempt that nobody knows',
    ({ effects }) => ({ effects: change(effects, 1, { epoch: 99 }) }),
    ['effect_owned', 'newest_stands'],
  ],
  [
    'an effect of an attempt that was never started',
    ({ attempts }) => ({ attempts: change(attempts, 0, { startedMs: null }) }),
    ['effect_owned'],
  ],
  [
    'an effect of an attempt whose program failed',
    ({ attempts }) => ({ attempts: change(attempts, 0, { outcome: 'failed', failure: 'program' }) }),
    ['effect_owned'],
  ],
  [
    'rows of an older effect that stand over those of a newer one',
    ({ effects }) => ({ effects: [...effects, { ...effects[0]!, generation: 2, epoch: 3 }] }),
    ['effect_owned', 'newest_stands'],
  ],
  [
    'a generation that was accepted twice',
    ({ attempts }) => ({ attempts: change(attempts, 0, { outcome: 'succeeded', failure: null }) }),
    ['one_result'],
  ],
  [
    'a flow that was sent before its upstream was done',
    ({ attempts }) => ({ attempts: change(attempts, 3, { sentMs: 399, endedMs: 500 }) }),
    ['after_upstreams', 'not_while_held'],
  ],
  [
    'a flow that was sent between two generations of its upstream',
    ({ flows }) => ({
      flows: change(flows, 0, { generation: 2, resultMs: 700 }),
      generations: [{ ...base, flow: 'A', result: 'succeeded', resultMs: 400, endedMs: 480 }],
    }),
    ['after_upstreams'],
  ],
  [
    'a flow that was sent while it was held',
    ({ overrides }) => ({ overrides: change(overrides, 0, { endedMs: 550 }) }),
    ['not_while_held'],
  ],
  ['an acknowledged operation that is not in the audit', () => ({ audit: [] }), ['audited']],
  [
    'an acknowledged operation with another outcome than was answered',
    ({ operations, audit }) => ({
      operations: change(operations, 0, { state: 'refused', code: 'wrong_state', done: [] }),
      audit: change(audit, 0, { outcome: 'refused', code: 'wrong_state' }),
    }),
    ['acknowledged_kept', 'audited'],
  ],
  ['an acknowledged operation that is gone', () => ({ operations: [] }), ['acknowledged_kept']],
  ['an applied hold that left nothing', () => ({ overrides: [] }), ['acknowledged_kept']],
  [
    'a request that was never answered',
    () => ({ acknowledged: [{ ...acknowledged, outcome: 'unanswered' }] }),
    ['answered'],
  ],
  [
    'a refusal at the door that is not in the audit',
    () => ({
      acknowledged: [
        acknowledged,
        { ...acknowledged, verb: 'skip', outcome: 'rejected', operation: null, code: 'unknown_flow' },
      ],
    }),
    ['audited'],
  ],
  [
    'no stale result at all',
    ({ attempts }) => ({ attempts: change(attempts, 0, { stale: false }) }),
    ['stale_refused'],
  ],
  ['a gap in the log', ({ log }) => ({ log: log.filter((entry) => entry.seq !== 1) }), ['log_order']],
  [
    'a log that was not read to its end',
    ({ runs }) => ({ runs: change(runs, 0, { cursor: 4 }) }),
    ['log_read'],
  ],
  [
    'an end that was told twice',
    ({ log }) => ({ log: change(log, 0, { kind: 'completion', flow: 'B', epoch: 4, outcome: 'succeeded' }) }),
    ['told_once'],
  ],
  [
    'more attempts than an agent has slots',
    ({ attempts }) => ({ attempts: change(attempts, 1, { agent: 'agent-2' }) }),
    ['room'],
  ],
  [
    'a pool that was exceeded',
    ({ attempts }) => ({ attempts: change(attempts, 2, { endedMs: 501 }) }),
    ['room'],
  ],
  ['a run that did not finish', ({ runs }) => ({ runs: change(runs, 0, { finished: false }) }), ['all_end']],
  ['a lease that is left', ({ left }) => ({ left: { ...left, leases: 1 } }), ['nothing_left']],
  [
    'a program that ran twice at once',
    ({ notes }) => ({ notes: [notes[0]!, { ...notes[0]!, epoch: 3 }, notes[1]!] }),
    ['effect_owned', 'no_overlap', 'no_surprise'],
  ],
  ['an accepted program that never ended', ({ notes }) => ({ notes: notes.slice(0, 1) }), ['one_effect']],
];

test('a sound record violates nothing', () => {
  expect(violationsOf(sound)).toEqual([]);
});

test.each(SABOTEURS)('%s is named', (_what, doctor, want) => {
  const named = violationsOf({ ...sound, ...doctor(sound) }).map((entry) => entry.invariant);
  expect([...new Set(named)].sort()).toEqual([...want].sort());
});

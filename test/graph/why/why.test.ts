import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { randomOf } from '../../../bench/load/graphs.ts';
import type { Graph } from '../../../graph/compiled/compact.ts';
import { preview } from '../../../graph/decide.ts';
import { blockers } from '../../../graph/run/blockers.ts';
import type { OperationRequest, Verb } from '../../../graph/run/decisions.ts';
import type { WhyFacts } from '../../../graph/run/run-facts.ts';
import { derive, emptyState, FLAG, has, isDone, type RunState } from '../../../graph/run/state.ts';
import { codeOf, type Result } from '../../../graph/run/status.ts';
import { unmetOf } from '../../../graph/run/unmet.ts';
import { VERBS } from '../../../graph/verbs/verbs.ts';
import type { Cause } from '../../../graph/why/cause.ts';
import { span } from '../../../graph/why/cause-text.ts';
import { CAUSES, type CauseCode } from '../../../graph/why/causes.ts';
import { type WhyFlow, whyFlow } from '../../../graph/why/why.ts';
import { whyRun } from '../../../graph/why/why-run.ts';
import { denseGraph } from '../../support/dense-catalogue.ts';
import { costRatio, LINEAR_FOR_TEN_TIMES } from '../../support/growth.ts';
import { partOf, runsOr, seed } from '../../support/property.ts';
import { whyFactsOf } from '../../support/run-facts.ts';
import { type FlowSpec, graphOf, subscriptionsIn } from '../../support/run-graph.ts';
import { same } from '../run/agreement.ts';
import { randomRun } from '../run/random-run.ts';
import { Simulation } from '../run/simulation.ts';

// With 4,000 runs the tests of graph/ reach no branch that they do not reach with 2,000.
const numRuns = runsOr(2_000);

const OPENED = 1_000_000;
const MIN = 60_000;
const NOW = OPENED + 100 * MIN;

interface Given {
  readonly specs: readonly FlowSpec[];
  /** Result, or flags, or both, by id. */
  readonly results?: Readonly<Record<string, Result>>;
  readonly flags?: Readonly<Record<string, number>>;
  readonly due?: Readonly<Record<string, number>>;
  readonly start?: Readonly<Record<string, number>>;
  /** In the hands of an agent: 1 sent, 2 started. */
  readonly lease?: Readonly<Record<string, 1 | 2>>;
  readonly waived?: readonly number[];
  readonly closed?: boolean;
  readonly facts?: (graph: Graph) => Partial<WhyFacts>;
}

function runOf(given: Given): { graph: Graph; s: RunState; facts: WhyFacts; at: (id: string) => number } {
  const graph = graphOf(given.specs);
  const s = emptyState(graph, {
    openedAt: OPENED,
    now: NOW,
    graceMs: 0,
    subscriptions: subscriptionsIn(given.specs),
  });
  const at = (id: string): number => graph.ids.indexOf(id);
  for (const [id, result] of Object.entries(given.results ?? {})) s.result[at(id)] = codeOf(result);
  for (const [id, flags] of Object.entries(given.flags ?? {})) s.flags[at(id)]! |= flags;
  for (const [id, due] of Object.entries(given.due ?? {})) s.due[at(id)] = due;
  for (const [id, start] of Object.entries(given.start ?? {})) s.start[at(id)] = start;
  for (const [id, lease] of Object.entries(given.lease ?? {})) {
    s.lease[at(id)] = lease;
    s.flags[at(id)]! |= FLAG.DISPATCHED;
  }
  for (const e of given.waived ?? []) s.waived[e] = 1;
  s.closed = given.closed ?? false;
  derive(graph, s);
  return { graph, s, facts: whyFactsOf(graph, s, given.facts?.(graph)), at };
}

function why(given: Given, id: string): WhyFlow {
  const { graph, s, facts, at } = runOf(given);
  return whyFlow({ graph, s, facts }, at(id));
}

const told = (causes: readonly Cause[]): string[] =>
  causes.map((cause) => `${cause.flow ?? '*'} ${cause.code}`);

describe('why', () => {
  const chain: FlowSpec[] = [{ id: 'A' }, { id: 'B', after: ['A'] }, { id: 'C', after: ['B'] }];
  const dispatched = { flags: { A: FLAG.DISPATCHED } };
  const minutes = (n: number) => NOW - n * MIN;
  const claim = (more: Partial<ReturnType<WhyFacts['claimOf']> & object>) => ({
    claimOf: (v: number) =>
      v === 0
        ? {
            releasedAt: minutes(5),
            platform: 'yt',
            labels: [],
            pools: [],
            poolAmounts: [],
            locks: [],
            ...more,
          }
        : undefined,
  });
  const attempt = (outcome: string, message: string | null = null) => ({
    lastAttempts: new Map([[0, { endedAt: minutes(3), agent: 'a1', outcome, failure: null, message }]]),
  });
  const overridden = (kind: string) => ({
    overrides: new Map([
      [0, [{ kind, from: null, at: minutes(7), endedAt: null, actor: 'wang', reason: 'wait for the file' }]],
    ]),
  });
  const gate: FlowSpec[] = [{ id: 'A', kind: 'gate' }, ...chain.slice(1)];
  const agentFacts = (more: Partial<WhyFacts['agents'][number]>) => ({
    agents: [
      {
        name: 'a1',
        platform: 'yt',
        labels: [],
        slots: 1,
        used: 0,
        drained: false,
        live: true,
        seenAt: NOW,
        takenAt: 0,
        ...more,
      },
    ],
  });
  const leased = (sentAt: number, startedAt: number | null) => ({
    leases: new Map([[0, { agent: 'a1', sentAt, startedAt }]]),
  });

  const cases: [string, Given, Partial<Cause>][] = [
    [
      'a failed upstream, with what its program said',
      { specs: chain, results: { A: 'failed' }, facts: () => attempt('failed', 'no rows') },
      { code: 'upstream_failed', reason: 'no rows', by: 'a1' },
    ],
    [
      'a failed interface',
      { specs: [{ id: 'A', kind: 'interface' }, ...chain.slice(1)], results: { A: 'failed' } },
      { code: 'interface_failed' },
    ],
    [
      'a failed distribution',
      { specs: [{ id: 'A', kind: 'distribution' }, ...chain.slice(1)], results: { A: 'failed' } },
      { code: 'distribution_failed' },
    ],
    [
      'a rejected gate, by whom',
      { specs: gate, results: { A: 'failed' }, facts: () => overridden('reject') },
      { code: 'gate_rejected', by: 'wang', since: minutes(7), reason: 'wait for the file' },
    ],
    [
      'a cancelled flow',
      { specs: chain, results: { A: 'cancelled' }, facts: () => overridden('cancel') },
      { code: 'cancelled', by: 'wang' },
    ],
    ['an unknown outcome', { specs: chain, results: { A: 'outcome_unknown' } }, { code: 'outcome_unknown' }],
    [
      'a retired flow',
      { specs: chain, flags: { A: FLAG.RETIRED }, facts: () => overridden('retire') },
      { code: 'retired', since: minutes(7), by: 'wang' },
    ],
    ['a gate', { specs: gate }, { code: 'gate_unconfirmed', by: 'gatekeeper', owner: 'gatekeeper' }],
    [
      'a gate past its deadline',
      { specs: gate, facts: (graph) => ({ deadline: new Float64Array(graph.n).fill(minutes(1)) }) },
      { code: 'gate_unconfirmed', until: minutes(1) },
    ],
    [
      'a hold, since when and by whom',
      { specs: chain, flags: { A: FLAG.HELD }, facts: () => overridden('hold') },
      { code: 'held', since: minutes(7), by: 'wang', reason: 'wait for the file' },
    ],
    [
      'a manual trigger',
      { specs: [{ id: 'A', trigger: 'manual' }, ...chain.slice(1)] },
      { code: 'not_triggered', since: OPENED },
    ],
    [
      'an event',
      { specs: [{ id: 'A', trigger: 'event', event: 'files' }, ...chain.slice(1)] },
      { code: 'event_condition_unmet', by: 'files' },
    ],
    [
      'a procedure that was left out',
      { specs: chain, flags: { A: FLAG.EXCLUDED } },
      { code: 'procedure_excluded' },
    ],
    [
      'a start time',
      { specs: chain, start: { A: NOW + MIN } },
      { code: 'schedule_not_reached', until: NOW + MIN },
    ],
    [
      'an interface that is not due',
      { specs: [{ id: 'A', kind: 'interface' }, ...chain.slice(1)], start: { A: NOW + MIN } },
      { code: 'interface_not_due', until: NOW + MIN },
    ],
    [
      'a back-off',
      { specs: chain, due: { A: NOW + MIN }, facts: () => attempt('failed', 'timeout') },
      { code: 'retry_backoff', until: NOW + MIN, since: minutes(3), reason: 'timeout' },
    ],
    [
      'a check that is false',
      {
        specs: [{ id: 'A', kind: 'check' }, ...chain.slice(1)],
        due: { A: NOW + MIN },
        facts: () => attempt('false'),
      },
      { code: 'check_false', until: NOW + MIN },
    ],
    [
      'an older attempt that has not ended',
      { specs: chain, flags: { A: FLAG.ENDING }, due: { A: NOW + MIN } },
      { code: 'previous_attempt_ending', until: NOW + MIN },
    ],
    [
      'an older attempt of which processes cannot be ended',
      {
        specs: chain,
        flags: { A: FLAG.ENDING },
        facts: () => ({
          leases: new Map([
            [
              0,
              {
                agent: 'a1',
                sentAt: minutes(20),
                startedAt: minutes(19),
                waits: { code: 'processes_survive', by: '4711 (load, state D)', since: minutes(18) },
              },
            ],
          ]),
        }),
      },
      { code: 'processes_survive', since: minutes(18), by: '4711 (load, state D)' },
    ],
    [
      'a running flow',
      { specs: chain, lease: { A: 2 }, facts: () => leased(minutes(20), minutes(19)) },
      { code: 'upstream_running', since: minutes(19), by: 'a1' },
    ],
    [
      'a running flow whose program waits for a fence that a session of elsewhere holds',
      {
        specs: chain,
        lease: { A: 2 },
        facts: () => ({
          leases: new Map([
            [
              0,
              {
                agent: 'a1',
                sentAt: minutes(20),
                startedAt: minutes(19),
                waits: { by: 'sluice e1 (backend 7, role etl)', since: minutes(18) },
              },
            ],
          ]),
        }),
      },
      { code: 'fence_held_elsewhere', since: minutes(18), by: 'sluice e1 (backend 7, role etl)' },
    ],
    [
      'a program of which processes cannot be ended',
      {
        specs: chain,
        lease: { A: 2 },
        facts: () => ({
          leases: new Map([
            [
              0,
              {
                agent: 'a1',
                sentAt: minutes(20),
                startedAt: minutes(19),
                waits: { code: 'processes_survive', by: '4711 (load, state D)', since: minutes(18) },
              },
            ],
          ]),
        }),
      },
      { code: 'processes_survive', since: minutes(18), by: '4711 (load, state D)' },
    ],
    [
      'a flow that runs for long',
      { specs: chain, lease: { A: 2 }, facts: () => leased(minutes(90), minutes(61)) },
      { code: 'upstream_running_long', since: minutes(61) },
    ],
    [
      'a flow that runs for half as long again as usual',
      {
        specs: chain,
        lease: { A: 2 },
        facts: () => ({ ...leased(minutes(20), minutes(19)), usualMs: () => 12 * MIN }),
      },
      { code: 'upstream_running_long', since: minutes(19) },
    ],
    [
      'a running distribution',
      {
        specs: [{ id: 'A', kind: 'distribution' }, ...chain.slice(1)],
        lease: { A: 2 },
        facts: () => leased(minutes(5), minutes(5)),
      },
      { code: 'distribution_pending' },
    ],
    [
      'an interface past its deadline',
      {
        specs: [{ id: 'A', kind: 'interface' }, ...chain.slice(1)],
        lease: { A: 2 },
        facts: (graph) => ({
          ...leased(minutes(5), minutes(5)),
          deadline: new Float64Array(graph.n).fill(minutes(1)),
        }),
      },
      { code: 'interface_late' },
    ],
    [
      'a flow just sent',
      { specs: chain, lease: { A: 1 }, facts: () => leased(minutes(9), null) },
      { code: 'sent_to_agent', since: minutes(9) },
    ],
    [
      'an agent that hangs',
      { specs: chain, lease: { A: 1 }, facts: () => leased(minutes(11), null) },
      { code: 'agent_hung', since: minutes(11), by: 'a1' },
    ],
    [
      'a free agent that will take it',
      { specs: chain, ...dispatched, facts: () => claim({}) },
      { code: 'waiting_agent' },
    ],
    [
      'no agent alive',
      {
        specs: chain,
        ...dispatched,
        facts: () => ({ ...claim({}), ...agentFacts({ live: false, seenAt: minutes(2) }) }),
      },
      { code: 'no_live_agent', since: minutes(2), by: 'yt' },
    ],
    [
      'agents of another platform only',
      { specs: chain, ...dispatched, facts: () => ({ ...claim({}), ...agentFacts({ platform: 'mpp' }) }) },
      { code: 'no_live_agent', since: minutes(5) },
    ],
    [
      'no agent with the labels',
      { specs: chain, ...dispatched, facts: () => claim({ labels: ['gpu'] }) },
      { code: 'no_fitting_agent', reason: 'gpu' },
    ],
    [
      'drained agents',
      { specs: chain, ...dispatched, facts: () => ({ ...claim({}), ...agentFacts({ drained: true }) }) },
      { code: 'agents_drained', by: 'a1' },
    ],
    [
      'no free slot',
      { specs: chain, ...dispatched, facts: () => ({ ...claim({}), ...agentFacts({ used: 1 }) }) },
      { code: 'no_free_slot', by: 'a1' },
    ],
    [
      'a full pool',
      {
        specs: chain,
        ...dispatched,
        facts: () => ({
          ...claim({ pools: ['bulk'], poolAmounts: [2] }),
          pools: new Map([['bulk', { size: 3, used: 2 }]]),
        }),
      },
      { code: 'pool_full', by: 'bulk', reason: 'needs 2, 2 of 3 used' },
    ],
    [
      'a full pool, and when those that hold it should have ended',
      {
        specs: chain,
        ...dispatched,
        facts: () => ({
          ...claim({ pools: ['bulk'], poolAmounts: [2] }),
          pools: new Map([['bulk', { size: 3, used: 3 }]]),
          holders: [-6, -5, null].map((at, i) => ({
            run: 'day-2026-10-31',
            flow: `Z${i}`,
            agent: 'a9',
            pools: ['bulk'],
            amounts: [1],
            until: at === null ? null : minutes(at),
          })),
        }),
      },
      { code: 'pool_full', by: 'bulk', until: minutes(-6) },
    ],
    [
      'a pool that is kept for a flow of another run',
      {
        specs: chain,
        ...dispatched,
        facts: () => ({
          ...claim({ pools: ['bulk'], poolAmounts: [1] }),
          pools: new Map([['bulk', { size: 3, used: 1 }]]),
          kept: [{ run: 'day-2026-10-31', flow: 'X', agent: null, units: new Map([['bulk', 3]]), locks: [] }],
        }),
      },
      { code: 'room_kept', by: 'day-2026-10-31 X', reason: 'pool bulk, needs 1, 1 of 3 used' },
    ],
    [
      'a lock that is kept',
      {
        specs: chain,
        ...dispatched,
        facts: () => ({
          ...claim({ locks: ['lock:x'] }),
          kept: [{ run: 'month-2026-10', flow: 'X', agent: null, units: new Map(), locks: ['lock:x'] }],
        }),
      },
      { code: 'room_kept', by: 'X', reason: 'lock:x' },
    ],
    [
      'a slot that is kept',
      {
        specs: chain,
        ...dispatched,
        facts: () => ({
          ...claim({}),
          kept: [{ run: 'month-2026-10', flow: 'X', agent: 'a1', units: new Map(), locks: [] }],
        }),
      },
      { code: 'room_kept', by: 'X', reason: 'a slot of a1' },
    ],
    [
      'nothing that is kept for itself, or for one that stands after it',
      {
        specs: chain,
        ...dispatched,
        facts: () => ({
          ...claim({}),
          kept: ['A', 'X'].map((flow) => ({
            run: 'month-2026-10',
            flow,
            agent: 'a1',
            units: new Map<string, number>(),
            locks: [],
          })),
        }),
      },
      { code: 'waiting_agent' },
    ],
    [
      'a lock, and who holds it',
      {
        specs: chain,
        ...dispatched,
        facts: () => ({
          ...claim({ locks: ['lock:x'] }),
          locks: new Map([['lock:x', { run: 'day-2026-10-31', flow: 'Z', agent: 'a9', since: minutes(2) }]]),
        }),
      },
      { code: 'lock_held', by: 'day-2026-10-31 Z', since: minutes(2) },
    ],
    [
      'a paused platform',
      {
        specs: chain,
        ...dispatched,
        facts: () => ({
          ...claim({}),
          pauses: [{ scope: 'platform:yt', from: minutes(2), to: null, actor: 'wang', reason: 'upgrade' }],
        }),
      },
      { code: 'paused', since: minutes(2), reason: 'upgrade', by: 'platform:yt wang' },
    ],
    ['its turn, and the engine has not acted', { specs: chain }, { code: 'engine_pending' }],
  ];

  test.each(cases)('names %s', (_, given, want) => {
    const { causes, next } = why(given, 'C');
    expect(causes).toHaveLength(1);
    expect(causes[0]).toMatchObject({ flow: 'A', chain: ['C', 'B', 'A'], blocks: 2, ...want });
    expect(next).toEqual([]);
    for (const text of Object.values(causes[0]!.text)) expect(text).not.toMatch(/undefined|null|NaN/);
  });

  test('every code of a cause is met by a case, or by a test of its own', () => {
    const elsewhere: CauseCode[] = [
      ...(['already_ran', 'loop', 'dependency_invalid', 'other_run', 'run_closed', 'run_frozen'] as const),
      ...(['rerun_pending', 'distribution_waiting_import'] as const),
      // test/services/why/answers.test.ts
      ...(['not_in_catalogue', 'not_in_run', 'run_not_opened', 'schedule_shifted'] as const),
      // test/graph/why/why-staged.test.ts
      ...([
        'agent_silent',
        'backlog',
        'interface_not_configured',
        'no_progress',
        'tasktracker_hung',
      ] as const),
    ];
    const met = new Set([...cases.map(([, , want]) => want.code!), ...elsewhere]);
    expect(Object.keys(CAUSES).filter((code) => !met.has(code as CauseCode))).toEqual([]);
  });

  test('all conditions of a final cause are named, each with its own verb', () => {
    const given: Given = {
      specs: [
        { id: 'A', trigger: 'manual' },
        { id: 'B', after: ['A'] },
      ],
      flags: { A: FLAG.HELD },
    };
    const { causes } = why(given, 'B');
    expect(causes.map((cause) => [cause.code, cause.remedy.verb]).sort()).toEqual([
      ['held', 'unhold'],
      ['not_triggered', 'trigger'],
    ]);
  });

  test('an import that has waited for more than ten minutes is named as such', () => {
    const specs: FlowSpec[] = [
      { id: 'D.import', kind: 'distribution' },
      { id: 'B', after: ['D.import'] },
    ];
    const given: Given = {
      specs,
      flags: { 'D.import': FLAG.DISPATCHED },
      facts: () => claim({ releasedAt: minutes(11) }),
    };
    expect(told(why(given, 'B').causes)).toEqual(['D.import distribution_waiting_import']);
  });

  test('what is held on the way is listed beside the final causes', () => {
    const given: Given = { specs: chain, results: { A: 'failed' }, flags: { B: FLAG.HELD, C: FLAG.HELD } };
    const { causes, next } = why(given, 'C');
    expect(told(causes)).toEqual(['A upstream_failed']);
    expect(told(next).sort()).toEqual(['B held', 'C held']);
  });

  test('a flow that has run says so, and whether its result is tainted or stale', () => {
    const given: Given = { specs: chain, results: { A: 'force_passed' }, flags: { A: FLAG.TAINTED } };
    expect(why(given, 'A').causes).toMatchObject([
      { code: 'already_ran', by: 'force_passed', reason: 'tainted', chain: ['A'], blocks: 0 },
    ]);
  });

  test('met edges are not walked: what is done, waived or set aside by start-now', () => {
    const specs: FlowSpec[] = [{ id: 'A' }, { id: 'B' }, { id: 'C' }, { id: 'D', after: ['A', 'B', 'C'] }];
    const base = { specs, results: { A: 'succeeded', C: 'failed' } as const };
    expect(told(why(base, 'D').causes).sort()).toEqual(['B engine_pending', 'C upstream_failed']);
    expect(told(why({ ...base, waived: [2] }, 'D').causes)).toEqual(['B engine_pending']);
    expect(told(why({ ...base, flags: { D: FLAG.STARTED_NOW } }, 'D').causes)).toEqual(['D engine_pending']);
  });

  test('the chain is a shortest one, and what a cause blocks is counted once', () => {
    const specs: FlowSpec[] = [
      { id: 'A' },
      { id: 'B', after: ['A'] },
      { id: 'C', after: ['B'] },
      { id: 'D', after: ['B', 'C', 'A'] },
    ];
    expect(why({ specs, results: { A: 'failed' } }, 'D').causes).toMatchObject([
      { chain: ['D', 'A'], blocks: 3 },
    ]);
  });

  test('causes come in order: key flows, then the longest open, then the one that blocks most', () => {
    const specs: FlowSpec[] = [
      { id: 'A' },
      { id: 'B' },
      { id: 'C' },
      { id: 'K', key: true },
      { id: 'X', after: ['B'] },
      { id: 'Z', after: ['A', 'C', 'K', 'X'] },
    ];
    const results = { A: 'failed', B: 'failed', C: 'failed', K: 'failed' } as const;
    const facts = () => ({ resultAt: Float64Array.of(NOW - 10, NOW - 10, NOW - 20, NOW, 0, 0) });
    expect(why({ specs, results, facts }, 'Z').causes.map((cause) => cause.flow)).toEqual([
      'K',
      'C',
      'B',
      'A',
    ]);
  });

  test('a loop is one cause, named by a shortest way round, and the verb breaks it', () => {
    const specs: FlowSpec[] = [
      { id: 'A', after: ['C'] },
      { id: 'B', after: ['A'] },
      { id: 'C', after: ['B'] },
      { id: 'D', after: ['B'] },
    ];
    const { causes } = why({ specs }, 'D');
    expect(told(causes)).toEqual(['A loop']);
    expect(causes[0]).toMatchObject({ chain: ['D', 'B', 'A'].slice(0, causes[0]!.chain.length), blocks: 1 });
    expect([...causes[0]!.members].sort()).toEqual(['A', 'B', 'C']);
    expect(causes[0]!.remedy.command).toBe(
      `sluice waive ${causes[0]!.members[0]} ${causes[0]!.members[1]} --run month-2026-10 --reason "..."`,
    );
  });

  test('what comes next names gates that nobody has confirmed, unless they are skipped', () => {
    const specs: FlowSpec[] = [
      { id: 'A' },
      { id: 'G', kind: 'gate', after: ['A'] },
      { id: 'C', after: ['G'] },
    ];
    expect(told(why({ specs, results: { A: 'failed' } }, 'C').next)).toEqual(['G gate_unconfirmed']);
    expect(why({ specs, results: { A: 'failed' }, flags: { G: FLAG.SKIP } }, 'C').next).toEqual([]);
  });

  test('a flow that is skipped later says so', () => {
    const text = (given: Omit<Given, 'specs'>, spec: Partial<FlowSpec> = {}): string =>
      why({ specs: [{ id: 'A', ...spec }], flags: { A: FLAG.SKIP }, ...given }, 'A').text.en;
    expect(text({ due: { A: NOW + MIN }, facts: () => attempt('failed', 'no rows') })).toContain(
      'and is skipped in 1 min: no rows',
    );
    expect(text({ due: { A: NOW + MIN }, facts: () => attempt('false') }, { kind: 'check' })).toContain(
      'it is skipped in 1 min',
    );
    expect(text({ start: { A: NOW + MIN } })).toContain('is skipped when its start time comes, in 1 min');
    expect(text({ start: { A: NOW + MIN } }, { kind: 'interface' })).toContain(
      'is skipped when it is due, in 1 min',
    );
  });

  test('verbs that are offered are verbs that are accepted', () => {
    const running = { specs: chain, lease: { A: 2 as const }, facts: () => leased(minutes(90), minutes(61)) };
    const offered = (flags: Given['flags']): readonly Verb[] =>
      why({ ...running, ...(flags === undefined ? {} : { flags }) }, 'C').causes[0]!.remedy.otherwise;
    expect(offered(undefined)).toEqual(['cancel']);
    expect(offered({ A: FLAG.RERUN_PENDING })).toEqual([]);
    // A rule's rerun yields to persons.
    expect(offered({ A: FLAG.RERUN_PENDING | FLAG.YIELDS })).toEqual(['cancel']);
    // A member of a rerun plan waits for the members above it, whatever edge is waived.
    const members = { A: FLAG.MEMBER | FLAG.HELD, B: FLAG.MEMBER };
    expect(why({ specs: chain, flags: members }, 'B').causes[0]!.remedy).toMatchObject({
      verb: 'unhold',
      otherwise: ['start-now'],
    });
    expect(why({ specs: chain, flags: { A: FLAG.HELD } }, 'B').causes[0]!.remedy.otherwise).toEqual([
      'waive',
    ]);
  });

  test('a loop that waits for something outside is a symptom, told among what comes next', () => {
    const specs: FlowSpec[] = [{ id: 'A' }, { id: 'B', after: ['A', 'C'] }, { id: 'C', after: ['B'] }];
    const { causes, next } = why({ specs, results: { A: 'failed' } }, 'C');
    expect(told(causes)).toEqual(['A upstream_failed']);
    expect(told(next)).toEqual(['B loop']);
  });

  test('a loop with a waived edge is none: the walk goes on inside it', () => {
    const specs: FlowSpec[] = [
      { id: 'A', after: ['B'] },
      { id: 'B', after: ['A'] },
    ];
    const { graph } = runOf({ specs });
    const edge = graph.upOff[0]!;
    expect(told(why({ specs, waived: [edge] }, 'B').causes)).toEqual(['A engine_pending']);
  });

  test('an upstream that does not exist, or belongs to another run, is one cause for all that wait for it', () => {
    const specs: FlowSpec[] = [
      { id: 'A', after: ['GHOST'] },
      { id: 'B', after: ['GHOST', 'A'], foreign: ['Daily'] },
    ];
    const { causes } = why({ specs }, 'B');
    expect(causes.map((cause) => [cause.flow, cause.code, cause.chain, cause.blocks])).toEqual([
      ['GHOST', 'dependency_invalid', ['B', 'GHOST'], 2],
      ['Daily', 'other_run', ['B', 'Daily'], 1],
    ]);
    expect(causes[0]!.remedy.command).toBe('sluice waive GHOST B --run month-2026-10 --reason "..."');
  });

  test('members of a rerun plan wait for members above them, also over flows that are done', () => {
    const given: Given = {
      specs: chain,
      results: { B: 'succeeded' },
      flags: { A: FLAG.MEMBER, C: FLAG.MEMBER },
      lease: { A: 2 },
    };
    expect(why(given, 'C').causes).toMatchObject([
      { flow: 'A', code: 'upstream_running_long', chain: ['C', 'B', 'A'] },
    ]);
    const { graph, s, facts } = runOf(given);
    expect(whyRun(graph, s, facts).flows).toMatchObject([
      { flow: 'A', causes: 1, first: { flow: 'A' } },
      { flow: 'C', causes: 1, first: { flow: 'A' } },
    ]);
  });

  test('a closed or frozen run, and a coordinator that does not read, stand before all other causes', () => {
    const closed = why({ specs: chain, closed: true, facts: () => ({ closedAt: minutes(3) }) }, 'C');
    expect(told(closed.causes)).toEqual(['* run_closed']);
    expect(closed.causes[0]).toMatchObject({ since: minutes(3), remedy: { verb: 'reopen' }, blocks: 3 });
    const frozen = why({ specs: chain, facts: () => ({ frozen: 'ahead of the record' }) }, 'C');
    expect(told(frozen.causes)).toEqual(['* run_frozen', 'A engine_pending']);
    const unread = why({ specs: chain, facts: () => ({ unread: { rows: 3, since: minutes(1) } }) }, 'C');
    expect(told(unread.causes)).toEqual(['* engine_pending', 'A engine_pending']);
  });

  test('spans of time are told in the two largest units', () => {
    const spans = [0, 999, 61_000, 3_600_000, 93_784_000].map((ms) => span(ms));
    expect(spans.map((other) => other.en)).toEqual(['0 s', '1 s', '1 min 1 s', '1 h', '1 d 2 h']);
    expect(spans.map((other) => other.zh)).toEqual(['0 秒', '1 秒', '1 分 1 秒', '1 小时', '1 天 2 小时']);
  });
});

describe('why against a slow obvious version', () => {
  test(`same causes, counts, blocked flows and lengths of chains, on random runs (seed ${seed})`, {
    timeout: 600_000,
  }, () => {
    fc.assert(
      fc.property(randomRun, ({ specs, commands }) => {
        const simulation = new Simulation(specs);
        for (const command of commands) simulation.play(command);
        compareWithSlow(simulation.graph, simulation.record.load());
      }),
      { seed, numRuns },
    );
  });

  test('every verb that why offers is accepted by the engine', { timeout: 600_000 }, () => {
    const accepted = new Map<string, number>();
    fc.assert(
      fc.property(randomRun, ({ specs, commands }) => {
        const simulation = new Simulation(specs);
        for (const command of commands) simulation.play(command);
        const s = simulation.record.load();
        tryRemedies(simulation.graph, s, accepted);
      }),
      { seed: seed + 1, numRuns: partOf(numRuns, 4) },
    );
    for (const verb of ['confirm', 'unhold', 'trigger', 'waive', 'resolve', 'start-now', 'reopen'])
      expect([verb, (accepted.get(verb) ?? 0) > 0]).toEqual([verb, true]);
  });
});

/** Ids that a flow waits for, by what graph/run/blockers.ts says of it; nothing once an agent has it or it has ended. */
function waitsFor(graph: Graph, s: RunState, v: number): Map<string, 'edge' | 'above'> {
  const found = new Map<string, 'edge' | 'above'>();
  if (s.result[v] !== 0 || has(s, v, FLAG.RETIRED)) return found;
  if (has(s, v, FLAG.DISPATCHED) && s.lease[v] !== 0) return found;
  for (const it of blockers(graph, s, v)) {
    if (it.code === 'rerun_above')
      for (const member of it.members) if (!found.has(member)) found.set(member, 'above');
    if ('from' in it)
      found.set(
        it.code === 'other_run'
          ? `other_run:${it.from} ${it.run}`
          : graph.ids.includes(it.from)
            ? it.from
            : `${it.code}:${it.from}`,
        'edge',
      );
  }
  return found;
}

function compareWithSlow(graph: Graph, s: RunState): void {
  const facts = whyFactsOf(graph, s);
  const at = new Map(graph.ids.map((id, v) => [id, v]));
  const ups = new Map(graph.ids.map((id, v) => [id, waitsFor(graph, s, v)]));
  const reach = new Map(graph.ids.map((id) => [id, reachOf(id, ups)]));
  /** Flows that wait for each other; a flow alone is its own class. */
  const classOf = (id: string): string[] => [
    id,
    ...[...reach.get(id)!].filter((other) => other !== id && at.has(other) && reach.get(other)!.has(id)),
  ];
  const isFinal = (id: string): boolean => {
    if (!at.has(id)) return true;
    const members = classOf(id);
    return members.every((member) => [...ups.get(member)!.keys()].every((up) => members.includes(up)));
  };
  const nameOf = (id: string): string =>
    at.has(id)
      ? graph.ids[Math.min(...classOf(id).map((member) => at.get(member)!))]!
      : id.slice(id.indexOf(':') + 1);
  const open = graph.ids.filter((_, v) => !isDone(s, v) && !has(s, v, FLAG.RETIRED));
  const finalsOf = (id: string): Set<string> =>
    new Set([id, ...reach.get(id)!].filter(isFinal).map((entry) => (at.has(entry) ? nameOf(entry) : entry)));
  const all = whyRun(graph, s, facts, { limit: 1000 });
  const general = all.causes.filter((cause) => cause.flow === null).length;
  same(
    all.flows.map((line) => line.flow),
    open,
    'flows',
  );
  const lines = new Map(all.flows.map((line) => [line.flow, line]));
  for (const id of open) {
    const answer = whyFlow({ graph, s, facts }, at.get(id)!, 1000);
    const mine = answer.causes.filter((cause) => cause.flow !== null);
    const want = [...finalsOf(id)].map((entry) =>
      at.has(entry) ? entry : entry.slice(entry.indexOf(':') + 1).split(' ')[0],
    );
    // A closed run leaves nothing else in the way of a flow that is ready.
    const silent = s.closed ? want.filter((flow) => !mine.some((entry) => entry.flow === flow)) : [];
    same(
      distinct(mine.map((entry) => entry.flow)),
      distinct(want.filter((entry) => !silent.includes(entry))),
      `causes of ${id}`,
    );
    for (const it of mine) {
      const own = !['dependency_invalid', 'other_run', 'backlog'].includes(it.code);
      const key = own
        ? it.flow!
        : `${it.code === 'backlog' ? 'other_run' : it.code}:${it.flow}${it.by === null ? '' : ` ${it.by}`}`;
      const members = own ? classOf(it.flow!) : [];
      const blocked = open.filter((flow) => !members.includes(flow) && finalsOf(flow).has(key));
      const cause = `cause ${it.code} ${it.flow} of ${id}`;
      same(it.blocks, blocked.length, `blocked by ${cause}`);
      same(it.chain[0], id, `begin of the chain, ${cause}`);
      if (own) same(members.includes(it.chain.at(-1)!), true, `end of the chain, ${cause}`);
      else same(it.chain.at(-1), it.flow, `end of the chain, ${cause}`);
      if ([...ups.values()].every((up) => [...up.values()].every((kind) => kind === 'edge')))
        same(it.chain.length, distance(id, own ? members : [key], ups), `length of the chain, ${cause}`);
      if (it.code === 'loop') same(it.members.length > 0, true, `members, ${cause}`);
      same(/undefined|null|NaN/.exec(`${it.text.en}${it.text.zh}`), null, `text of ${cause}`);
    }
    const line = lines.get(id)!;
    same(line.causes, answer.causeCount, `number of causes of ${id}`);
    const first = answer.causes[0];
    same(
      line.first,
      first === undefined ? null : { flow: first.flow, code: first.code },
      `first cause of ${id}`,
    );
    same(answer.causes.length, general + mine.length, `listed causes of ${id}`);
  }
  same([...unmetOf(graph, s).order.toSorted()], [...graph.ids.keys()], 'order');
}

/** In one order, each once. */
const distinct = (values: readonly unknown[]): unknown[] => [...new Set(values)].toSorted();

function reachOf(id: string, ups: ReadonlyMap<string, ReadonlyMap<string, string>>): Set<string> {
  const seen = new Set<string>();
  const stack = [id];
  while (stack.length > 0)
    for (const up of ups.get(stack.pop()!)?.keys() ?? [])
      if (!seen.has(up)) {
        seen.add(up);
        stack.push(up);
      }
  return seen;
}

function distance(
  from: string,
  to: readonly string[],
  ups: ReadonlyMap<string, ReadonlyMap<string, string>>,
): number {
  let level = new Set([from]);
  for (let length = 1; length < 50; length++) {
    if (to.some((id) => level.has(id))) return length;
    level = new Set([...level].flatMap((id) => [...(ups.get(id)?.keys() ?? [])]));
  }
  return -1;
}

/** `sluice waive FROM TO --run R [--upstream-run U]` */
function edgeIn(words: readonly string[]): OperationRequest['edges'][number] {
  const upstream = words.indexOf('--upstream-run');
  const edge = { from: words[2]!, to: words[3]! };
  return upstream < 0 ? edge : { ...edge, run: words[upstream + 1]! };
}

function tryRemedies(graph: Graph, s: RunState, accepted: Map<string, number>): void {
  const { causes } = whyRun(graph, s, whyFactsOf(graph, s), { limit: 1000 });
  for (const { code, remedy, flow } of causes) {
    for (const verb of remedy.otherwise) if (flow !== null) expect(VERBS.has(verb)).toBe(true);
    const { verb, command } = remedy;
    if (verb === null || verb === 'open' || verb === 'rerun') continue;
    const words = command!.split(' ');
    const target = VERBS.get(verb)!.target;
    const request: OperationRequest = {
      verb: verb as Verb,
      flows: target === 'flow' ? [words[2]!] : [],
      edges: target === 'edge' ? [edgeIn(words)] : [],
      reason: 'test',
      evidence: 'test',
      partial: false,
      supersede: false,
      ran: verb === 'resolve' ? false : null,
      plan: null,
    };
    const entry = {
      ...({ kind: 'operation', seq: 1_000_000, at: s.now, operation: 'op', actor: 'duty' } as const),
      roles: ['gatekeeper', 'key'],
      approvedBy: 'second',
      request,
    };
    // A closed run takes nothing but its reopening.
    if (s.closed && verb !== 'reopen') continue;
    const { groups } = preview(graph, s, [entry], s.now);
    const outcome = groups
      .flatMap((group) => group.effects)
      .find((item) => item.t === 'outcome' && item.operation === 'op');
    expect({ code, command, outcome }).toMatchObject({ outcome: { state: 'applied' } });
    accepted.set(verb, (accepted.get(verb) ?? 0) + 1);
  }
}

test('an answer for one flow and the answer for all cost as many times more as there are more flows', () => {
  const [small, large] = [50, 500].map((width) => {
    const { graph, s } = halfBlocked(width);
    const facts = whyFactsOf(graph, s);
    return {
      one: () => whyFlow({ graph, s, facts }, graph.n - 1),
      all: () => whyRun(graph, s, facts),
    };
  }) as [Record<'one' | 'all', () => unknown>, Record<'one' | 'all', () => unknown>];
  expect(costRatio(small.one, large.one)).toBeLessThan(LINEAR_FOR_TEN_TIMES);
  expect(costRatio(small.all, large.all)).toBeLessThan(LINEAR_FOR_TEN_TIMES);
});

/** 26 layers of `width` flows with 4 upstreams each; two layers done but for what failed, flows held everywhere below. */
function halfBlocked(width: number): { graph: Graph; s: RunState } {
  const random = randomOf(7);
  const graph = denseGraph(width);
  const s = emptyState(graph, { openedAt: OPENED, now: NOW, graceMs: 0 });
  for (let v = 0; v < graph.n; v++) {
    if (v < 2 * width) s.result[v] = codeOf(random() < 0.05 ? 'failed' : 'succeeded');
    else if (random() < 0.01) s.flags[v]! |= FLAG.HELD;
  }
  derive(graph, s);
  return { graph, s };
}

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { randomOf } from '../../../bench/load/graphs.ts';
import { AppliedPlan } from '../../../graph/run/applied-plan.ts';
import { derive, emptyState, FLAG } from '../../../graph/run/state.ts';
import {
  type CriticalPath,
  criticalPath,
  defaultTarget,
  type Piece,
  type PieceKind,
} from '../../../graph/timing/critical-path.ts';
import { denseGraph } from '../../support/dense-catalogue.ts';
import { costRatio, LINEAR_FOR_TEN_TIMES } from '../../support/growth.ts';
import { at, MIN, OPEN, type Story, storyOf, type Told } from '../../support/path-facts.ts';
import { runsOr, seed } from '../../support/property.ts';
import type { FlowSpec } from '../../support/run-graph.ts';
import { anyEstate } from '../any-estate.ts';
import { same } from '../run/agreement.ts';
import { type Doing, Execution, OPENED } from '../run/execution.ts';

// All branches of the rules that 6,000 runs reach are reached by the first 2,000.
const numRuns = runsOr(2_000);

/** The engine's few ms before a further attempt that waits now: the record keeps the release of those that were sent. */
const unnoted = (set: ReadonlySet<Doing>, live: boolean): boolean =>
  live && (set.has('due') || set.has('undecided'));

/** What a flow must have been doing in each millisecond of a piece. */
const MEANS: Record<PieceKind, (doing: ReadonlySet<Doing>, live: boolean) => boolean> = {
  run: (entry) => entry.has('running'),
  failed_attempt: (entry) => entry.has('running'),
  retry_backoff: (entry) => entry.has('backoff') || entry.has('undecided'),
  waiting_agent: (entry, live) =>
    (entry.has('outbox') && !entry.has('lock') && !entry.has('pool')) ||
    entry.has('sent') ||
    unnoted(entry, live),
  waiting_pool: (entry, live) => (entry.has('outbox') && entry.has('pool')) || unnoted(entry, live),
  waiting_lock: (entry, live) => (entry.has('outbox') && entry.has('lock')) || unnoted(entry, live),
  held: (entry) => entry.has('held'),
  // start-now that comes later: until then it was waiting for what it set aside.
  manual_start: (entry) => entry.has('untriggered') || entry.has('upstream') || entry.has('early'),
  waiting_time: (entry) => entry.has('early'),
  // Also until a waive, a force-pass: somebody had to decide.
  // The verb that decided after an attempt stands for the result before it, whose own instant it replaced.
  waiting_person: (entry) =>
    (['unconfirmed', 'upstream', 'ended', 'untriggered', 'undecided', 'due', 'ready'] as const).some(
      (doing) => entry.has(doing),
    ),
  // These executions stand alone.
  other_run: () => false,
  paused: (entry) => entry.has('paused'),
  rework: (entry) =>
    entry.has('ended') || entry.has('running') || entry.has('old_attempt') || entry.has('sent'),
  engine: () => true,
};

function wellFormed(path: CriticalPath, sim: Execution): void {
  const end = path.endedAt ?? path.now;
  const of = `of ${path.target}`;
  same(path.unattributed, 0, `unattributed ${of}`);
  same(path.total, end - path.openedAt, `total ${of}`);
  same(
    path.pieces.reduce((sum, piece) => sum + piece.ms, 0),
    path.total,
    `sum of the pieces ${of}`,
  );
  let at = path.openedAt;
  for (const it of path.pieces) {
    same(it.from, at, `begin of ${show(it)} ${of}`);
    same(Number.isInteger(it.ms) && it.ms > 0 && it.to - it.from === it.ms, true, `${show(it)} ${of}`);
    at = it.to;
  }
  same(at, path.pieces.length === 0 ? path.openedAt : end, `end of the pieces ${of}`);
  same(path.flows.at(-1), path.target, `last flow ${of}`);
  const { graph } = sim;
  for (let i = 0; i + 1 < path.flows.length; i++) {
    const [u, v] = [graph.ids.indexOf(path.flows[i]!), graph.ids.indexOf(path.flows[i + 1]!)];
    const edge = graph.up.subarray(graph.upOff[v], graph.upOff[v + 1]).includes(u);
    const member = (w: number): boolean => sim.plans.some((plan) => plan.members.has(w));
    const planned = member(u) && member(v);
    same(edge || planned, true, `${path.flows[i]} before ${path.flows[i + 1]} ${of}`);
  }
}

function truthful(path: CriticalPath, sim: Execution, engineEvery: number): void {
  for (const piece of path.pieces) {
    const doing = sim.doing[sim.graph.ids.indexOf(piece.flow)]!;
    for (let t = piece.from; t < piece.to; t++) {
      const now = doing[t - OPENED]!;
      // A release that was taken back is not on record, and with it the engine's few ms before it.
      if (SLOTS.includes(piece.kind) && now.has('ready') && !isReleaseKnown(sim, piece)) continue;
      // Nor is, of an older generation, whether another attempt stood out when somebody force-passed it.
      if (piece.kind === 'waiting_person' && wasForcedAfterAttempt(sim, piece)) continue;
      if (!MEANS[piece.kind](now, path.endedAt === null))
        throw new Error(`${show(piece)} but at ${t}: ${[...now]}`);
    }
    // The engine needs a look for the end of an attempt and one for what follows.
    if (piece.kind === 'engine' && piece.ms > 2 * engineEvery) throw new Error(`${show(piece)} is long`);
  }
}

const SLOTS: readonly PieceKind[] = ['waiting_agent', 'waiting_pool', 'waiting_lock'];

function isReleaseKnown(sim: Execution, { flow, generation, from }: Piece): boolean {
  const v = sim.graph.ids.indexOf(flow);
  const past = sim.past.get(v)?.find((entry) => entry.generation === generation);
  const released = past?.releasedAt ?? sim.live[v]!.released;
  return released > 0 && released <= from;
}

function wasForcedAfterAttempt(sim: Execution, { flow, generation, from }: Piece): boolean {
  const v = sim.graph.ids.indexOf(flow);
  return (
    generation < sim.live[v]!.generation &&
    sim.attempts.some(
      (attempt) => attempt.v === v && attempt.generation === generation && attempt.ended <= from,
    )
  );
}

const show = (piece: Piece): string =>
  `${piece.flow}.${piece.generation} ${piece.kind} ${piece.from - OPENED}..${piece.to - OPENED}`;

/** The plain case, by the words of the design: from the end to the latest upstream end, and so on. */
function plainFlows(sim: Execution, target: number): string[] {
  const { graph, live } = sim;
  const path: string[] = [];
  for (let v = target; v >= 0; ) {
    path.unshift(graph.ids[v]!);
    const ups = [...graph.up.subarray(graph.upOff[v], graph.upOff[v + 1])];
    const rank = (u: number): number => ({ gate: 2, interface: 1 })[graph.attrOf(u).kind as 'gate'] ?? 0;
    ups.sort(
      (a, b) =>
        live[b]!.resultAt - live[a]!.resultAt ||
        rank(a) - rank(b) ||
        (graph.ids[a]! < graph.ids[b]! ? -1 : 1),
    );
    v = ups[0] === undefined || live[ups[0]]!.resultAt <= OPENED ? -1 : ups[0];
  }
  return path;
}

/** Pieces as `flow kind from-to`, in minutes since the opening. */
function told(story: Story, target: string): string[] {
  const { graph, s, facts } = storyOf(story);
  const path = criticalPath(graph, s, facts, graph.ids.indexOf(target));
  const minute = (instant: number): number => Math.round(((instant - OPEN) / MIN) * 1000) / 1000;
  expect([path.unattributed, path.total]).toEqual([0, (path.endedAt ?? path.now) - OPEN]);
  return path.pieces.map((piece) => `${piece.flow} ${piece.kind} ${minute(piece.from)}-${minute(piece.to)}`);
}

const A: FlowSpec = { id: 'A' };
/** It may fail twice, with a back-off of three minutes. */
const TRIED_AGAIN: FlowSpec = {
  id: 'A',
  retries: { program: 2, infrastructure: 0, timeout: 0, lost: 0, backoffMs: 3 * MIN },
};
const B: FlowSpec = { id: 'B', after: ['A'] };
/** A ran in its first ten minutes. */
const ranA: Told = { released: 0, tries: [[0, 0, 10, 'succeeded']], result: ['succeeded', 10] };
const aRun = 'A run 0-10';

describe('the critical path, kind by kind', () => {
  const cases: [string, Story, string, string[]][] = [
    [
      'engine, waiting for an agent, run, engine',
      {
        specs: [A],
        flows: { A: { released: 1, tries: [[3, 4, 9, 'succeeded']], result: ['succeeded', 10] } },
      },
      'A',
      ['A engine 0-1', 'A waiting_agent 1-3', 'A waiting_agent 3-4', 'A run 4-9', 'A engine 9-10'],
    ],
    [
      'on to the upstream that released it last',
      {
        specs: [A, { id: 'A2' }, { id: 'B', after: ['A', 'A2'] }],
        flows: {
          A: ranA,
          A2: { released: 0, tries: [[0, 0, 12, 'succeeded']], result: ['succeeded', 12] },
          B: { released: 12, tries: [[12, 12, 20, 'succeeded']], result: ['succeeded', 20] },
        },
      },
      'B',
      ['A2 run 0-12', 'B run 12-20'],
    ],
    [
      'failed attempts and their back-off',
      {
        specs: [TRIED_AGAIN],
        flows: {
          A: {
            released: 0,
            tries: [
              [0, 0, 4, 'failed'],
              [8, 8, 10, 'succeeded'],
            ],
            result: ['succeeded', 10],
          },
        },
      },
      'A',
      ['A failed_attempt 0-4', 'A retry_backoff 4-7', 'A waiting_agent 7-8', 'A run 8-10'],
    ],
    [
      'after a back-off the engine takes its time until it offers the next attempt, then the flow waits for an agent',
      {
        specs: [TRIED_AGAIN],
        flows: {
          A: {
            released: 0,
            tries: [
              [0, 0, 4, 'failed', 0],
              [10, 10, 12, 'succeeded', 9],
            ],
            result: ['succeeded', 12],
          },
        },
      },
      'A',
      ['A failed_attempt 0-4', 'A retry_backoff 4-7', 'A engine 7-9', 'A waiting_agent 9-10', 'A run 10-12'],
    ],
    [
      'a hold and a pause that were over before the start time own nothing',
      {
        specs: [{ id: 'A', start: at(10) }],
        flows: {
          A: {
            released: 10,
            tries: [[10, 10, 12, 'succeeded', 10]],
            result: ['succeeded', 12],
            verbs: [['hold', 1, 5]],
          },
        },
        pauses: [['platform:yt', 6, 8]],
      },
      'A',
      ['A waiting_time 0-10', 'A run 10-12'],
    ],
    [
      'what was redone only after the end of the path was no rework for it',
      {
        specs: [{ id: 'A' }, { id: 'B', after: ['A'] }],
        flows: {
          A: {
            past: [{ released: 0, result: ['succeeded', 4], until: 20, tries: [[0, 0, 4, 'succeeded', 0]] }],
            released: 20,
            tries: [[20, 20, 25, 'succeeded', 20]],
            result: ['succeeded', 25],
          },
          B: { released: 4, tries: [[4, 4, 9, 'succeeded', 4]], result: ['succeeded', 9] },
        },
      },
      'B',
      ['A run 0-4', 'B run 4-9'],
    ],
    [
      'a lost attempt of a fenced program goes on at once, of another after its grace',
      {
        specs: [
          { id: 'A', fenced: true },
          { id: 'B', after: ['A'], idempotent: true, orphanMs: 5 * MIN },
        ],
        flows: {
          A: {
            released: 0,
            tries: [
              [0, 0, 4, 'lost'],
              [5, 5, 10, 'succeeded'],
            ],
            result: ['succeeded', 10],
          },
          B: {
            released: 10,
            tries: [
              [10, 10, 12, 'lost'],
              [20, 20, 25, 'succeeded'],
            ],
            result: ['succeeded', 25],
          },
        },
      },
      'B',
      [
        'A failed_attempt 0-4',
        'A waiting_agent 4-5',
        'A run 5-10',
        'B failed_attempt 10-12',
        'B retry_backoff 12-17',
        'B waiting_agent 17-20',
        'B run 20-25',
      ],
    ],
    [
      'a claim that went back to the outbox is time without an agent',
      {
        specs: [A],
        flows: {
          A: {
            released: 0,
            tries: [
              [1, null, 3, 'requeued'],
              [6, 6, 9, 'succeeded'],
            ],
            result: ['succeeded', 9],
          },
        },
      },
      'A',
      ['A waiting_agent 0-1', 'A waiting_agent 1-3', 'A waiting_agent 3-6', 'A run 6-9'],
    ],
    [
      'a check that says no waits for its next try',
      {
        specs: [{ id: 'A', kind: 'check', everyMs: 4 * MIN }],
        flows: {
          A: {
            released: 0,
            tries: [
              [0, 0, 1, 'false'],
              [5, 5, 6, 'succeeded'],
            ],
            result: ['succeeded', 6],
          },
        },
      },
      'A',
      ['A retry_backoff 0-5', 'A run 5-6'],
    ],
    [
      'a lock, by whom, and a pool that was full',
      {
        specs: [A, { id: 'L' }, { id: 'P' }],
        flows: {
          A: { released: 0, tries: [[9, 9, 10, 'succeeded']], result: ['succeeded', 10] },
          L: { released: 0, tries: [[0, 0, 4, 'succeeded']], result: ['succeeded', 4] },
          P: { released: 0, tries: [[2, 2, 7, 'succeeded']], result: ['succeeded', 7] },
        },
        locks: { A: 'x', L: 'x' },
        pools: { A: 1, P: 1 },
      },
      'A',
      ['A waiting_lock 0-4', 'A waiting_pool 4-7', 'A waiting_agent 7-9', 'A run 9-10'],
    ],
    [
      'held: only since the last upstream end',
      {
        specs: [A, B],
        flows: {
          A: ranA,
          B: {
            released: 16,
            tries: [[16, 16, 20, 'succeeded']],
            result: ['succeeded', 20],
            verbs: [['hold', 2, 16]],
          },
        },
      },
      'B',
      [aRun, 'B held 10-16', 'B run 16-20'],
    ],
    [
      'held after it waited for an agent: each has its part',
      {
        specs: [A, B],
        flows: {
          A: ranA,
          B: {
            released: 16,
            tries: [[17, 17, 20, 'succeeded']],
            result: ['succeeded', 20],
            verbs: [['hold', 13, 16]],
          },
        },
      },
      'B',
      [aRun, 'B waiting_agent 10-13', 'B held 13-16', 'B waiting_agent 16-17', 'B run 17-20'],
    ],
    [
      'a manual start',
      {
        specs: [A, { ...B, trigger: 'manual' }],
        flows: {
          A: ranA,
          B: {
            released: 15,
            tries: [[15, 15, 20, 'succeeded']],
            result: ['succeeded', 20],
            verbs: [['trigger', 15]],
          },
        },
      },
      'B',
      [aRun, 'B manual_start 10-15', 'B run 15-20'],
    ],
    [
      'an event',
      {
        specs: [A, { ...B, trigger: 'event', event: 'files' }],
        flows: {
          A: ranA,
          B: { released: 15, tries: [[15, 15, 20, 'succeeded']], result: ['succeeded', 20], triggered: 15 },
        },
      },
      'B',
      [aRun, 'B manual_start 10-15', 'B run 15-20'],
    ],
    [
      'a procedure that was included later',
      {
        specs: [{ id: 'A', excluded: true }],
        flows: {
          A: {
            released: 5,
            tries: [[5, 5, 6, 'succeeded']],
            result: ['succeeded', 6],
            verbs: [['trigger', 5]],
          },
        },
      },
      'A',
      ['A manual_start 0-5', 'A run 5-6'],
    ],
    [
      'a start time',
      {
        specs: [A, { ...B, start: at(14) }],
        flows: {
          A: ranA,
          B: { released: 14, tries: [[14, 14, 20, 'succeeded']], result: ['succeeded', 20] },
        },
      },
      'B',
      [aRun, 'B waiting_time 10-14', 'B run 14-20'],
    ],
    [
      'a person, from its turn to the word',
      {
        specs: [A, { ...B, kind: 'gate' }],
        flows: { A: ranA, B: { released: 10, result: ['succeeded', 18], verbs: [['confirm', 18]] } },
      },
      'B',
      [aRun, 'B waiting_person 10-18'],
    ],
    [
      'a gate that was confirmed before its turn costs nothing',
      {
        specs: [A, { ...B, kind: 'gate' }, { id: 'C', after: ['B'] }],
        flows: {
          A: ranA,
          B: { released: 10, result: ['succeeded', 10], verbs: [['confirm', 3]] },
          C: { released: 10, tries: [[10, 10, 12, 'succeeded']], result: ['succeeded', 12] },
        },
      },
      'C',
      [aRun, 'C run 10-12'],
    ],
    [
      'a confirmation that was withdrawn does not count',
      {
        specs: [{ id: 'A', kind: 'gate' }],
        flows: {
          A: {
            released: 0,
            result: ['succeeded', 9],
            verbs: [
              ['confirm', 0, 0],
              ['confirm', 9],
            ],
          },
        },
      },
      'A',
      ['A waiting_person 0-9'],
    ],
    [
      'paused: run or platform, what runs goes on',
      {
        specs: [A, B],
        flows: {
          A: ranA,
          B: { released: 10, tries: [[16, 16, 20, 'succeeded']], result: ['succeeded', 20] },
        },
        pauses: [
          ['run:r', 4, 13],
          ['platform:yt', 13, 15],
          ['platform:mpp', 15, 16],
        ],
      },
      'B',
      [aRun, 'B paused 10-13', 'B paused 13-15', 'B waiting_agent 15-16', 'B run 16-20'],
    ],
    [
      'rework: from the end of the old generation to the plan, the failed attempt before it',
      {
        specs: [A, B],
        flows: {
          A: {
            past: [{ released: 0, tries: [[0, 0, 10, 'failed']], result: ['failed', 10], until: 25 }],
            released: 25,
            tries: [[26, 26, 30, 'succeeded']],
            result: ['succeeded', 30],
          },
          B: { released: 30, tries: [[30, 30, 33, 'succeeded']], result: ['succeeded', 33] },
        },
        plans: [[25, ['A', 'B']]],
      },
      'B',
      ['A failed_attempt 0-10', 'A rework 10-25', 'A waiting_agent 25-26', 'A run 26-30', 'B run 30-33'],
    ],
    [
      'rework: a success that was done again is rework as a whole, and the walk goes on above it',
      {
        specs: [A, B],
        flows: {
          A: ranA,
          B: {
            past: [
              { released: 10, tries: [[10, 10, 15, 'succeeded']], result: ['succeeded', 15], until: 40 },
            ],
            released: 40,
            tries: [[40, 40, 45, 'succeeded']],
            result: ['succeeded', 45],
          },
        },
        plans: [[40, ['B']]],
      },
      'B',
      [aRun, 'B rework 10-15', 'B rework 15-40', 'B run 40-45'],
    ],
    [
      'a superseded attempt is waited out before the next one may go',
      {
        specs: [A],
        flows: {
          A: {
            past: [{ released: 0, tries: [[0, 0, 14, 'cancelled']], until: 8 }],
            released: 14,
            tries: [[14, 14, 20, 'succeeded']],
            result: ['succeeded', 20],
          },
        },
        plans: [[8, ['A']]],
      },
      'A',
      ['A rework 0-8', 'A rework 8-14', 'A run 14-20'],
    ],
    [
      'a member of a plan waits for the member above it over a flow that was not redone',
      {
        specs: [A, B, { id: 'C', after: ['B'] }],
        flows: {
          A: {
            past: [{ released: 0, tries: [[0, 0, 10, 'succeeded']], result: ['succeeded', 10], until: 40 }],
            released: 40,
            tries: [[40, 40, 50, 'succeeded']],
            result: ['succeeded', 50],
          },
          B: { released: 10, tries: [[10, 10, 20, 'succeeded']], result: ['succeeded', 20] },
          C: {
            past: [
              { released: 20, tries: [[20, 20, 30, 'succeeded']], result: ['succeeded', 30], until: 40 },
            ],
            released: 50,
            tries: [[50, 50, 60, 'succeeded']],
            result: ['succeeded', 60],
          },
        },
        plans: [[40, ['A', 'C']]],
      },
      'C',
      ['A rework 0-10', 'A rework 10-40', 'A run 40-50', 'C run 50-60'],
    ],
    [
      'an unknown outcome waits for a person to resolve it',
      {
        specs: [A],
        flows: {
          A: {
            released: 0,
            tries: [
              [0, 0, 5, 'lost'],
              [12, 12, 15, 'succeeded'],
            ],
            result: ['succeeded', 15],
            verbs: [['resolve', 12]],
          },
        },
      },
      'A',
      ['A failed_attempt 0-5', 'A waiting_person 5-12', 'A run 12-15'],
    ],
    [
      'a force-pass ends what nobody had mended',
      {
        specs: [A, B],
        flows: {
          A: {
            released: 0,
            tries: [[0, 0, 5, 'failed']],
            result: ['force_passed', 20],
            verbs: [['force-pass', 20]],
          },
          B: { released: 20, tries: [[20, 20, 22, 'succeeded']], result: ['succeeded', 22] },
        },
      },
      'B',
      ['A failed_attempt 0-5', 'A waiting_person 5-20', 'B run 20-22'],
    ],
    [
      'a waived edge does not constrain; what passed until the waive was a decision',
      {
        specs: [A, { id: 'X' }, { id: 'B', after: ['A', 'X'] }],
        flows: {
          A: ranA,
          X: { released: 0, tries: [[0, 0, 50, 'succeeded']], result: ['succeeded', 50] },
          B: {
            released: 15,
            tries: [[15, 15, 60, 'succeeded']],
            result: ['succeeded', 60],
            verbs: [['waive', 15, null, 'X']],
          },
        },
      },
      'B',
      [aRun, 'B waiting_person 10-15', 'B run 15-60'],
    ],
    [
      'start-now sets edges aside',
      {
        specs: [A, { id: 'X' }, { id: 'B', after: ['A', 'X'] }],
        flows: {
          A: ranA,
          X: { released: 0, tries: [[0, 0, 18, 'succeeded']], result: ['succeeded', 18] },
          B: {
            released: 15,
            tries: [[20, 20, 60, 'succeeded']],
            result: ['succeeded', 60],
            verbs: [['start-now', 15]],
            flags: FLAG.STARTED_NOW,
          },
        },
      },
      'B',
      [aRun, 'B manual_start 10-15', 'B waiting_agent 15-20', 'B run 20-60'],
    ],
    [
      'an upstream that was redone while the flow ran had no say',
      {
        specs: [A, B],
        flows: {
          A: {
            past: [{ released: 0, tries: [[0, 0, 10, 'succeeded']], result: ['succeeded', 10], until: 20 }],
            released: 20,
            tries: [[20, 20, 30, 'succeeded']],
            result: ['succeeded', 30],
          },
          B: { released: 10, tries: [[10, 10, 40, 'succeeded']], result: ['succeeded', 40] },
        },
        plans: [[20, ['A']]],
      },
      'B',
      ['A rework 0-10', 'B run 10-40'],
    ],
    [
      'equal instants: an upstream before an interface, before a gate, the lowest id first',
      {
        specs: [
          { id: 'G', kind: 'gate' },
          { id: 'I', kind: 'interface' },
          { id: 'Y' },
          { id: 'Z' },
          { id: 'T', after: ['G', 'I', 'Y', 'Z'] },
        ],
        flows: {
          G: { released: 0, result: ['succeeded', 10], verbs: [['confirm', 10]] },
          I: { released: 0, tries: [[0, 0, 10, 'succeeded']], result: ['succeeded', 10] },
          Y: { released: 0, tries: [[0, 0, 10, 'succeeded']], result: ['succeeded', 10] },
          Z: { released: 0, tries: [[0, 0, 10, 'succeeded']], result: ['succeeded', 10] },
          T: {
            released: 10,
            tries: [[10, 10, 20, 'succeeded']],
            result: ['succeeded', 20],
            verbs: [['hold', 1, 10]],
          },
        },
      },
      'T',
      ['Y run 0-10', 'T run 10-20'],
    ],
    [
      'equal instants: an interface before a gate',
      {
        specs: [
          { id: 'G', kind: 'gate' },
          { id: 'I', kind: 'interface' },
          { id: 'T', kind: 'notify', after: ['G', 'I'] },
        ],
        flows: {
          G: { released: 0, result: ['succeeded', 10], verbs: [['confirm', 10]] },
          I: { released: 0, tries: [[0, 0, 10, 'succeeded']], result: ['succeeded', 10] },
          T: { released: 10, result: ['succeeded', 10] },
        },
      },
      'T',
      ['I run 0-10'],
    ],
    [
      'equal instants: a hold before a start time',
      {
        specs: [{ id: 'A', start: at(10) }],
        flows: {
          A: {
            released: 10,
            tries: [[10, 10, 12, 'succeeded']],
            result: ['succeeded', 12],
            verbs: [['hold', 0, 10]],
          },
        },
      },
      'A',
      ['A held 0-10', 'A run 10-12'],
    ],
    [
      'a constraint owns only the time since the next-latest one',
      {
        specs: [A, { ...B, trigger: 'manual', start: at(13) }],
        flows: {
          A: ranA,
          B: {
            released: 19,
            tries: [[19, 19, 20, 'succeeded']],
            result: ['succeeded', 20],
            verbs: [
              ['hold', 0, 16],
              ['trigger', 19],
            ],
          },
        },
      },
      'B',
      [aRun, 'B waiting_time 10-13', 'B held 13-16', 'B manual_start 16-19', 'B run 19-20'],
    ],
    [
      'in progress: running up to now',
      {
        specs: [A, B],
        flows: { A: ranA, B: { released: 10, tries: [[11, 11, null, null]], lease: 2 } },
        now: 30,
      },
      'B',
      [aRun, 'B waiting_agent 10-11', 'B run 11-30'],
    ],
    [
      'in progress: the upstream that is not done yet, lowest id first',
      {
        specs: [A, { id: 'X' }, { id: 'B', after: ['A', 'X'] }],
        flows: {
          A: { released: 0, tries: [[2, 2, null, null]], lease: 2 },
          X: { flags: FLAG.DISPATCHED, released: 0 },
        },
        now: 30,
      },
      'B',
      ['A waiting_agent 0-2', 'A run 2-30'],
    ],
    [
      'in progress: a failure that nobody has taken up is rework',
      {
        specs: [A, B],
        flows: { A: { released: 0, tries: [[0, 0, 5, 'failed']], result: ['failed', 5] } },
        now: 30,
      },
      'B',
      ['A failed_attempt 0-5', 'A rework 5-30'],
    ],
    [
      'in progress: held, waiting for a person, for a moment, for a trigger',
      {
        specs: [A, { ...B, kind: 'gate', start: at(20) }],
        flows: { A: ranA, B: { verbs: [['hold', 12]], flags: FLAG.HELD } },
        now: 30,
      },
      'B',
      [aRun, 'B waiting_time 10-20', 'B waiting_person 20-30'],
    ],
    [
      'in progress: a dependency that does not exist waits for a person',
      { specs: [{ id: 'A', after: ['GHOST'] }], flows: {}, now: 30 },
      'A',
      ['A waiting_person 0-30'],
    ],
    [
      'in progress: round a loop the walk ends',
      {
        specs: [
          { id: 'A', after: ['B'] },
          { id: 'B', after: ['A'] },
        ],
        flows: {},
        now: 30,
      },
      'B',
      ['A waiting_person 0-30'],
    ],
  ];
  test.each(cases)('%s', (_, story, target, want) => {
    expect(told(story, target)).toEqual(want);
  });

  test('without a target: the last open flow, or the one that ended last', () => {
    const open = storyOf({ specs: [A, B, { id: 'C', after: ['B'], excluded: true }], flows: { A: ranA } });
    expect(open.graph.ids[defaultTarget(open.graph, open.s, open.facts)]).toBe('B');
    const two = { released: 0, result: ['succeeded', 4] } as const;
    const done = storyOf({ specs: [A, { id: 'D' }], flows: { A: ranA, D: two } });
    expect(done.graph.ids[defaultTarget(done.graph, done.s, done.facts)]).toBe('A');
  });
});

describe('the critical path of random executions', () => {
  test(`pieces follow one another from the opening to the end and say what really was (seed ${seed})`, {
    timeout: 600_000,
  }, () => {
    const kinds = new Map<PieceKind, number>();
    let plain = 0;
    fc.assert(
      fc.property(anyEstate, (given) => {
        const sim = new Execution(given);
        const [s, facts] = [sim.state(), sim.facts()];
        for (let v = 0; v < sim.graph.n; v++) {
          const path = criticalPath(sim.graph, s, facts, v);
          wellFormed(path, sim);
          truthful(path, sim, given.engineEvery);
          for (const it of path.pieces) kinds.set(it.kind, (kinds.get(it.kind) ?? 0) + 1);
          if (sim.calm && path.endedAt !== null && sim.graph.loops.length === 0) {
            plain++;
            same(path.flows, plainFlows(sim, v), `flows of ${path.target}`);
          }
        }
        same(defaultTarget(sim.graph, s, facts) < sim.graph.n, true, 'a target');
      }),
      { seed, numRuns },
    );
    console.log(
      `${numRuns} executions, ${plain} plain paths, pieces: ${[...kinds].map(([k, n]) => `${k} ${n}`).join(', ')}`,
    );
    const expected = Object.keys(MEANS).filter((kind) => kind !== 'other_run');
    expect([...kinds.keys()].sort()).toEqual(expected.sort());
    expect(plain).toBeGreaterThan(numRuns / 10);
  });
});

/** A finished run of a dense catalogue, 26 layers deep, as arguments of `criticalPath`; `redone`: by one plan of all flows. */
function finishedRun(width: number, redone: boolean): Parameters<typeof criticalPath> {
  const graph = denseGraph(width);
  const { n } = graph;
  const s = emptyState(graph, { openedAt: OPEN, now: OPEN + 1, graceMs: 0 });
  const random = randomOf(3);
  const column = (): Float64Array => new Float64Array(n);
  const [sentAt, endedAt] = [column(), column()];
  for (let v = 0; v < n; v++) {
    s.result[v] = 1;
    sentAt[v] = OPEN;
    for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++)
      sentAt[v] = Math.max(sentAt[v]!, endedAt[graph.up[e]!]! + Math.floor(random() * 2));
    endedAt[v] = sentAt[v]! + 1 + Math.floor(random() * 1_000);
  }
  derive(graph, s);
  const { facts } = storyOf({ specs: [A], flows: {} });
  const large: typeof facts = {
    ...facts,
    generationAt: column().fill(OPEN),
    triggeredAt: column(),
    releasedAt: sentAt,
    resultAt: endedAt,
    now: Math.max(...endedAt),
    deadline: column(),
    overrides: new Map(),
    attempts: {
      off: Int32Array.from({ length: n + 1 }, (_, v) => v),
      generation: new Int32Array(n).fill(1),
      attempt: new Int32Array(n).fill(1),
      releasedAt: sentAt,
      sentAt,
      startedAt: sentAt,
      endedAt,
      outcome: new Array(n).fill('succeeded'),
      agent: new Array(n).fill('a1'),
    },
    plans: redone ? [new AppliedPlan(graph, OPEN, new Set(graph.ids.keys()))] : [],
  };
  return [graph, s, large, n - 1];
}

// A run that was redone by one plan is the dearest: members are looked for above every flow of the path.
test.each([false, true])(
  'a critical path costs as many times more as there are more flows, redone: %s',
  (redone) => {
    const [small, large] = [finishedRun(50, redone), finishedRun(500, redone)];
    expect(criticalPath(...large).flows).toHaveLength(26);
    const ratio = costRatio(
      () => criticalPath(...small),
      () => criticalPath(...large),
    );
    expect(ratio).toBeLessThan(LINEAR_FOR_TEN_TIMES);
  },
);

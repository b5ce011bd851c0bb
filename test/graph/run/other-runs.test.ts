/** Edges to other runs in the rules of one run (protocol A11, B4, D6, E), one by one. */
import { describe, expect, test } from 'vitest';
import { checkCatalogue } from '../../../graph/catalogue/check.ts';
import { inflate } from '../../../graph/compiled/compact.ts';
import { compact } from '../../../graph/compiled/compile.ts';
import { besides, resolveForeign } from '../../../graph/run/foreign-runs.ts';
import { criticalPath } from '../../../graph/timing/critical-path.ts';
import { catalogueText } from '../../support/estate.ts';
import { storyOf } from '../../support/path-facts.ts';
import { SmallRun } from '../../support/small-run.ts';

const YESTERDAY = 'day-2026-10-30';

describe('A11: what another run tells', () => {
  test('an edge is met by a result there and open again when it is redone there', () => {
    const run = new SmallRun([{ id: 'A', foreign: ['X'] }]);
    expect([run.stateOf('A'), run.blockers('A')]).toEqual(['waiting_upstream', ['other_run']]);
    run.told('X', 1);
    expect(run.offered()).toBe('A');
    run.told('X', 0, true);
    expect([run.offered(), run.stateOf('A'), run.is('A', 'STALE')]).toEqual(['', 'waiting_upstream', false]);
  });

  test('each of several runs of one flow counts for itself', () => {
    const run = new SmallRun([{ id: 'A', foreign: ['X', `X@${YESTERDAY}`] }]);
    run.told('X', 1);
    expect(run.blockers('A')).toEqual(['other_run']);
    run.told(`X@${YESTERDAY}`, 1);
    expect(run.offered()).toBe('A');
  });

  test('the same news twice counts once', () => {
    const run = new SmallRun([{ id: 'A', foreign: ['X'] }]).told('X', 1);
    const lease = run.claim('A');
    run.told('X', 1);
    expect(run.end(lease).stateOf('A')).toBe('succeeded');
  });
});

describe('D6: stale over run borders', () => {
  test('what started on the old result, and all below it, whether it was met again at once or not', () => {
    for (const met of [0, 1] as const) {
      const run = new SmallRun([
        { id: 'A', foreign: ['X'], fenced: true },
        { id: 'B', after: ['A'], fenced: true },
        { id: 'C', after: ['B'], fenced: true },
      ]).told('X', 1);
      run.run('A', 'B');
      run.told('X', met, true);
      expect(run.flagged('STALE')).toBe('A B');
      expect(run.offered()).toBe('C');
    }
  });

  test('the news goes on with the run that it came from', () => {
    const run = new SmallRun([{ id: 'A', foreign: ['X'], fenced: true }]).told('X', 1).run('A');
    run.told('X', 0, true);
    expect(run.effects.findLast((effect) => effect.t === 'redone')).toEqual({
      t: 'redone',
      roots: [0],
      via: ['day-2026-10-31'],
    });
  });
});

describe('B4: a gate of another run', () => {
  const GATED = [
    { id: 'A', foreign: ['GATE1'] },
    { id: 'B', foreign: ['GATE1'] },
  ];

  test('a person who sets it aside needs its role or a second person, as long as it is not done', () => {
    const run = new SmallRun(GATED);
    const nobody = { roles: [] };
    expect(run.waive('GATE1', 'A', nobody).state).toBe('approval_required');
    expect(run.ask('force-pass', 'A', nobody).state).toBe('approval_required');
    expect(run.ask('start-now', 'A', nobody).state).toBe('approval_required');
    expect(run.waive('GATE1', 'A', { roles: [], approvedBy: 'second' }).state).toBe('applied');
    expect(run.ask('force-pass', 'A', nobody).state).toBe('applied');
    run.told('GATE1', 1);
    expect(run.waive('GATE1', 'B', nobody).state).toBe('applied');
  });

  test('the compiled graph knows whose role it is', () => {
    const text = catalogueText([
      { id: 'G', cycle: 'day', kind: 'gate', person: { role: 'region' } },
      { id: 'M', after: [{ flow: 'G', period: 'lastDayOfMonth' }] },
    ]);
    const { flows } = checkCatalogue([{ path: 'f.yaml', text }], 'apply') as {
      flows: Parameters<typeof compact>[0];
    };
    expect(compact(flows, 'month').foreign).toMatchObject([{ from: 'G', cycle: 'day', role: 'region' }]);
  });
});

describe('E: a plan over several runs', () => {
  test('an agreed part is not refused; its upstreams in the other runs are not done until they say so', () => {
    const run = new SmallRun([
      { id: 'A', foreign: ['X'], fenced: true },
      { id: 'B', after: ['A'], fenced: true },
    ]).told('X', 1);
    run.run('A');
    const plan = run.plan('A', 'downstream', {
      roots: [],
      agreed: { awaits: [{ from: 'X', run: 'day-2026-10-31' }] },
    });
    // An agent takes B after the plan was committed.
    const lease = run.start('B');
    expect(run.ask('rerun', [], { plan })).toMatchObject({ state: 'applied' });
    expect([run.generation('A'), run.generation('B'), run.offered()]).toEqual([2, 2, '']);
    run.end(lease).told('X', 1, true);
    expect([run.offered(), run.flagged('STALE')]).toEqual(['A', '']);
    run.run('A', 'B');
    expect(run.states('A', 'B')).toBe('A succeeded, B succeeded');
  });
});

describe('which runs an edge means', () => {
  const text = catalogueText([
    { id: 'H', cycle: 'hour' },
    {
      id: 'D',
      cycle: 'day',
      after: [
        { flow: 'H', period: 'everyHourOfDay' },
        { flow: 'D', period: { offset: -2 } },
        { flow: 'M', period: 'previous' },
      ],
    },
    {
      id: 'M',
      after: [
        { flow: 'D', period: 'everyDayOfMonth' },
        { flow: 'M', period: 'previous' },
      ],
    },
  ]);
  const { flows } = checkCatalogue([{ path: 'f.yaml', text }], 'apply') as {
    flows: Parameters<typeof compact>[0];
  };
  const runs = (cycle: 'day' | 'month', period: string, beside: string[] = []): string[] =>
    resolveForeign(inflate(compact(flows, cycle)), {
      cycle,
      period,
      beside: besides(beside.map((run) => ({ run, flows: null }))),
    }).map((entry) => entry.run);

  test('scheduled runs of the mapped periods', () => {
    expect(runs('month', '2026-02')).toHaveLength(29);
    expect(runs('month', '2026-02')).toContain('month-2026-01');
    const day = runs('day', '2026-03-01');
    expect(day.filter((entry) => entry.startsWith('hour-20260301'))).toHaveLength(24);
    expect(day).toContain('day-2026-02-27');
    expect(day).toContain('month-2026-02');
  });

  test('runs of the same backfill where it has the period', () => {
    const set = ['day-2026-02-27-backfill-3', 'day-2026-03-01-backfill-3'];
    expect(runs('day', '2026-03-01', set)).toContain(set[0]);
    expect(runs('day', '2026-03-01', set)).toContain('month-2026-02');
  });
});

test('critical path: time in which another run was waited for is a piece of its own', () => {
  const { graph, s, facts } = storyOf({
    specs: [{ id: 'A' }, { id: 'B', after: ['A'], foreign: ['X'] }],
    met: { X: 15 },
    flows: {
      A: { tries: [[0, 0, 10, 'succeeded']], result: ['succeeded', 10], released: 0 },
      B: { tries: [[15, 15, 20, 'succeeded']], result: ['succeeded', 20], released: 15 },
    },
  });
  const path = criticalPath(graph, s, facts, 1);
  expect(path.pieces.map((piece) => [piece.flow, piece.kind, piece.ms / 60_000, piece.by])).toEqual([
    ['A', 'run', 10, null],
    ['B', 'other_run', 5, 'day-2026-10-31 X'],
    ['B', 'run', 5, null],
  ]);
  expect(path.unattributed).toBe(0);
});

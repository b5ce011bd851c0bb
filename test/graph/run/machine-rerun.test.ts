import { describe, expect, test } from 'vitest';
import { planMembers, type RerunScope, rootRefusal } from '../../../graph/verbs/rerun.ts';
import { chain, SmallRun } from '../../support/small-run.ts';

/** A -> B -> D, A -> C -> D -> E. */
const diamond = [
  { id: 'A', fenced: true },
  { id: 'B', after: ['A'], fenced: true },
  { id: 'C', after: ['A'], fenced: true },
  { id: 'D', after: ['B', 'C'], fenced: true },
  { id: 'E', after: ['D'], fenced: true },
];

const members = (run: SmallRun, roots: readonly string[], scope: RerunScope): string =>
  planMembers(
    run.graph,
    run.record.load(),
    roots.map((flow) => run.vertex(flow)),
    scope,
  )
    .map((v) => run.graph.ids[v])
    .join(' ');

describe('E, rerun plans: scopes', () => {
  test('only and selection take the roots, downstream all below, in order', () => {
    const run = new SmallRun(diamond).run('A', 'B', 'C', 'D', 'E');
    expect(members(run, ['B'], 'only')).toBe('B');
    expect(members(run, ['E', 'A', 'C'], 'selection')).toBe('A C E');
    expect(members(run, ['C'], 'downstream')).toBe('C D E');
    expect(members(run, ['C', 'A'], 'downstream')).toBe('A B C D E');
  });

  test('failed-downstream takes failed and cancelled flows and, below them, what still waits', () => {
    const run = new SmallRun(diamond).run('A', 'C').fail('B');
    run.ask('force-pass', 'E');
    expect(members(run, ['A'], 'failed-downstream')).toBe('B D');
    expect(members(run, ['C'], 'failed-downstream')).toBe('');
    expect(members(run, ['B'], 'failed-downstream')).toBe('B D');
  });

  test('with failed-downstream a root may be in any state, it only says where to look', () => {
    const run = new SmallRun(diamond).run('A').fail('B');
    expect(rootRefusal(run.graph, run.state, run.vertex('D'), 'failed-downstream')).toBeNull();
    expect(rootRefusal(run.graph, run.state, run.vertex('D'), 'downstream')).toBe('wrong_state');
    expect(run.rerun('A', 'failed-downstream').state).toBe('applied');
    expect([run.generation('B'), run.generation('D'), run.offered()]).toEqual([2, 1, 'B C']);
  });

  test('retired flows are no members, and a retired failure is none to be redone', () => {
    const run = new SmallRun(diamond).run('A').fail('B');
    run.ask('retire', 'B');
    expect(members(run, ['A'], 'downstream')).toBe('A C D E');
    expect(members(run, ['A'], 'failed-downstream')).toBe('');
  });
});

describe('E, rerun plans: order', () => {
  test('members run root first, each once, and E again last', () => {
    const run = new SmallRun(diamond).run('A', 'B', 'C', 'D', 'E');
    run.rerun('A', 'downstream');
    for (const next of ['A', 'B C', 'C', 'D', 'E']) {
      expect(run.offered()).toBe(next);
      run.run(next.split(' ')[0]!);
    }
    expect([...run.state.generation]).toEqual([2, 2, 2, 2, 2]);
    expect(run.flagged('MEMBER')).toBe('');
  });

  test('a selection with a gap, {A, C} of A -> B -> C: C waits for A', () => {
    const run = new SmallRun(chain('A B C')).run('A', 'B', 'C');
    run.rerun(['A', 'C'], 'selection');
    expect([run.offered(), run.blockers('C')]).toEqual(['A', ['rerun_above']]);
    run.run('A');
    expect([run.offered(), run.generation('B'), run.flagged('STALE')]).toEqual(['C', 1, 'B']);
  });

  test('members that never started keep their generation, and wait all the same', () => {
    const run = new SmallRun(chain('A B C')).run('A', 'B');
    expect(run.offered()).toBe('C');
    run.rerun(['A', 'C'], 'selection');
    expect([run.offered(), run.generation('C'), run.blockers('C')]).toEqual(['A', 1, ['rerun_above']]);
    expect(run.run('A').offered()).toBe('C');
  });

  test('between two attempts counts as never started: generation and budget stay', () => {
    const retries = { program: 2, infrastructure: 0, timeout: 0, lost: 0, backoffMs: 1000 };
    const run = new SmallRun(chain('A B', { fenced: true, retries })).run('A').fail('B');
    run.rerun('A', 'downstream');
    expect([run.generation('B'), run.attempt('B'), run.state.used[1]]).toEqual([1, 2, 1]);
  });

  test('members wait for open members of another plan above them', () => {
    const run = new SmallRun(chain('A B C')).run('A', 'B', 'C');
    run.rerun('A', 'only');
    run.rerun('C', 'only');
    expect([run.offered(), run.blockers('C')]).toEqual(['A', ['rerun_above']]);
    expect(run.run('A').offered()).toBe('C');
  });

  test('a member that fails keeps those below it waiting; force-pass, retire and start-now let them go', () => {
    for (const [verb, flow] of [
      ['force-pass', 'A'],
      ['retire', 'A'],
      ['start-now', 'C'],
    ] as const) {
      const run = new SmallRun(chain('A B C')).run('A', 'B', 'C');
      run.rerun(['A', 'C'], 'selection');
      run.fail('A');
      expect([run.offered(), run.blockers('C')]).toEqual(['', ['rerun_above']]);
      expect(run.ask(verb, flow).code).toBeNull();
      expect(run.offered()).toBe('C');
      expect(run.is('C', 'TAINTED')).toBe(verb === 'start-now');
    }
  });

  test('a plan takes an earlier start-now back from a member that never started', () => {
    const run = new SmallRun(chain('A B C')).run('A');
    run.ask('start-now', 'C');
    expect(run.offered()).toBe('B C');
    run.rerun(['A', 'C'], 'selection');
    expect([run.offered(), run.is('C', 'STARTED_NOW')]).toEqual(['A', false]);
    run.run('A', 'B', 'C');
    expect(run.flagged('TAINTED')).toBe('');
  });

  test('flows that are no members and start later are not held up', () => {
    const run = new SmallRun(chain('A B C')).run('A', 'B');
    run.rerun('A', 'only');
    expect(run.offered()).toBe('A C');
  });
});

describe('E, rerun plans: running members', () => {
  test('supersede: the old attempt has to stop, the new generation waits for its end', () => {
    const run = new SmallRun(chain('A B')).run('A');
    const lease = run.start('B');
    run.rerun('A', 'downstream', { running: 'supersede' });
    expect([lease.stop, run.generation('B'), run.blockers('B')]).toEqual([
      true,
      2,
      ['previous_attempt_ending', 'upstream', 'rerun_above'],
    ]);
    run.end(lease, 'cancelled').run('A');
    expect(run.offered()).toBe('B');
  });

  test('wait: the old end is recorded, frees nothing, is not retried; then the new generation begins', () => {
    for (const outcome of ['succeeded', 'failed'] as const) {
      const run = new SmallRun(chain('A B C')).run('A');
      const lease = run.start('B');
      run.rerun('A', 'downstream', { running: 'wait' });
      expect([run.stateOf('B'), run.is('B', 'RERUN_PENDING'), run.generation('B')]).toEqual([
        'running',
        true,
        1,
      ]);
      expect([lease.stop, run.offered()]).toEqual([false, 'A']);
      run.end(lease, outcome, outcome === 'failed' ? 'program' : null);
      expect([run.stateOf('B'), run.generation('B'), run.stateOf('C')]).toEqual([
        'waiting_upstream',
        2,
        'waiting_upstream',
      ]);
      expect(run.record.generations.at(-1)).toEqual({
        v: 1,
        generation: 1,
        result: outcome === 'succeeded' ? 1 : 2,
      });
      expect(run.run('A').offered()).toBe('B');
    }
  });

  test('wait: other reruns and cancels meanwhile answer rerun_pending', () => {
    const run = new SmallRun(chain('A B')).run('A');
    run.start('B');
    run.rerun('A', 'downstream', { running: 'wait' });
    expect(run.rerun('B', 'only').code).toBe('rerun_pending');
    expect(run.ask('cancel', 'B').code).toBe('rerun_pending');
    expect(rootRefusal(run.graph, run.state, 1, 'only')).toBe('rerun_pending');
    expect(run.ask('force-pass', 'B', { supersede: true }).code).toBeNull();
    expect([run.stateOf('B'), run.is('B', 'RERUN_PENDING')]).toEqual(['force_passed', false]);
  });

  test('wait: a rule yields to the cancel of a person', () => {
    const run = new SmallRun(chain('A B C')).run('A');
    const lease = run.start('B');
    run.rerun('A', 'downstream', { running: 'wait', yields: true });
    expect(run.ask('cancel', 'B').code).toBeNull();
    expect([run.is('B', 'RERUN_PENDING'), run.is('B', 'STOPPING')]).toEqual([false, true]);
    run.end(lease, 'cancelled');
    expect([run.stateOf('B'), run.generation('B'), run.stateOf('C')]).toEqual([
      'cancelled',
      1,
      'waiting_upstream',
    ]);
  });

  test('wait: a rule yields to the rerun of a person, another rule does not take it over', () => {
    const run = new SmallRun(chain('A B')).run('A');
    run.start('B');
    run.rerun('A', 'downstream', { running: 'wait', yields: true });
    expect(run.rerun('B', 'only', { running: 'wait', yields: true }).code).toBe('rerun_pending');
    expect(rootRefusal(run.graph, run.state, 1, 'only')).toBeNull();
    expect(run.rerun('B', 'only', { running: 'wait' }).code).toBeNull();
    // From now on it is the wait of a person.
    expect(run.ask('cancel', 'B').code).toBe('rerun_pending');
    const other = new SmallRun(chain('A B')).run('A');
    const lease = other.start('B');
    other.rerun('A', 'downstream', { running: 'wait', yields: true });
    expect(other.rerun('B', 'only').code).toBeNull();
    expect([lease.stop, other.generation('B'), other.is('B', 'YIELDS')]).toEqual([true, 2, false]);
  });

  test('wait, and the old attempt is lost without anybody knowing: a person resolves it, then the rerun goes on', () => {
    for (const ran of [true, false]) {
      const run = new SmallRun(chain('A B C', {})).run('A');
      const lease = run.start('B');
      run.rerun('A', 'downstream', { running: 'wait' });
      run.lose(lease);
      expect([run.stateOf('B'), run.rerun('B', 'only').code]).toEqual(['outcome_unknown', 'rerun_pending']);
      run.ask('resolve', 'B', { ran });
      expect([run.stateOf('B'), run.generation('B'), run.offered()]).toEqual(['waiting_upstream', 2, 'A']);
      expect(run.run('A').offered()).toBe('B');
    }
  });

  test('wait, and the claim ends before the program was started: a member that never started', () => {
    const run = new SmallRun(chain('A B')).run('A');
    const lease = run.claim('B');
    run.rerun('A', 'downstream', { running: 'wait' });
    run.lose(lease);
    expect([run.stateOf('B'), run.generation('B'), run.is('B', 'MEMBER')]).toEqual([
      'waiting_upstream',
      1,
      true,
    ]);
    expect(run.run('A').offered()).toBe('B');
  });

  test('what started below a waiting member before its new generation began is stale then', () => {
    const run = new SmallRun(chain('A B')).run();
    const lease = run.start('A');
    run.rerun('A', 'only', { running: 'wait' });
    run.ask('start-now', 'B');
    run.run('B');
    expect(run.flagged('STALE')).toBe('');
    run.end(lease);
    expect(run.flagged('STALE')).toBe('B');
  });
});

describe('E, rerun plans: what a plan rests on', () => {
  test('refused when generation, result or being started changed; moves among the waiting states do not count', () => {
    const run = new SmallRun(chain('A B C')).run('A', 'B');
    const plan = run.plan('B', 'downstream');
    run.ask('hold', 'C');
    run.ask('unhold', 'C');
    const lease = run.start('C');
    expect(run.ask('rerun', [], { plan })).toEqual({
      state: 'refused',
      code: 'plan_stale',
      codes: ['plan_stale'],
    });
    run.end(lease);
    expect(run.ask('rerun', [], { plan }).code).toBe('plan_stale');
    const fresh = run.plan('B', 'downstream');
    expect(run.ask('rerun', [], { plan: fresh }).code).toBeNull();
    expect(run.ask('rerun', [], { plan: fresh }).code).toBe('plan_stale');
  });

  test('refused for another catalogue version, a retired member, a flow that is gone; nothing is half done', () => {
    const run = new SmallRun(chain('A B')).run('A').fail('B');
    const plan = run.plan('A', 'downstream');
    expect(run.ask('rerun', [], { plan: { ...plan, graphVersion: 'old' } }).code).toBe('plan_stale');
    const gone = {
      ...plan,
      members: [...plan.members, { flow: 'X', generation: 1, result: 0, started: false }],
    };
    expect(run.ask('rerun', [], { plan: gone })).toEqual({
      state: 'refused',
      code: 'unknown_flow',
      codes: ['unknown_flow'],
    });
    run.ask('retire', 'B');
    expect(run.ask('rerun', [], { plan }).code).toBe('plan_stale');
    expect([...run.state.generation]).toEqual([1, 1]);
  });

  test('outcome_unknown is resolved first', () => {
    const run = new SmallRun(chain('A B', {})).run('A');
    run.lose(run.start('B'));
    expect(run.rerun('A', 'downstream').code).toBe('outcome_unknown');
  });

  test('a claim between the decision and its exchange makes the plan stale, not wrong', () => {
    const run = new SmallRun(chain('A B')).run('A');
    const operation = run.log('rerun', [], { plan: run.plan('A', 'downstream') });
    run.step();
    const groups = run.decide();
    run.start('B');
    run.step(groups);
    run.settle();
    expect(run.answerTo(operation).code).toBe('plan_stale');
    expect([...run.state.generation]).toEqual([1, 1]);
  });
});

describe('D3: onTrigger downstream', () => {
  const cascade = [
    { id: 'S', trigger: 'manual', onTrigger: true, fenced: true } as const,
    { id: 'A', after: ['S'], fenced: true },
    { id: 'B', after: ['A'], fenced: true },
    { id: 'C', after: ['B'], fenced: true },
  ];

  test('descendants that have a result get a new generation and wait; those without go on as they are', () => {
    const run = new SmallRun(cascade);
    run.ask('start-now', 'A');
    run.run('A', 'B');
    run.ask('trigger', 'S');
    expect([run.offered(), [...run.state.generation]]).toEqual(['S', [1, 2, 2, 1]]);
    run.run('S', 'A', 'B');
    expect([run.offered(), run.flagged('TAINTED'), run.flagged('STALE')]).toEqual(['C', '', '']);
  });

  test('what is in progress below is stale; an unknown outcome is resolved first', () => {
    const run = new SmallRun(
      cascade.map((entry) => (entry.id === 'A' ? { ...entry, fenced: false } : entry)),
    );
    run.ask('start-now', 'A');
    run.lose(run.start('A'));
    run.ask('start-now', 'B');
    run.start('B');
    run.ask('trigger', 'S');
    expect([run.stateOf('A'), run.generation('A'), run.flagged('STALE')]).toEqual([
      'outcome_unknown',
      1,
      'A B',
    ]);
  });
});

import { describe, expect, test } from 'vitest';
import { decide, preview } from '../../../graph/decide.ts';
import { apply } from '../../../graph/run/apply.ts';
import { nextDue } from '../../../graph/run/due.ts';
import { FLAG, type RunState } from '../../../graph/run/state.ts';
import { freshState } from '../../support/memory-record.ts';
import { graphOf } from '../../support/run-graph.ts';
import { chain, SmallRun } from '../../support/small-run.ts';

const stored = (s: RunState) => ({
  generation: [...s.generation],
  attempt: [...s.attempt],
  result: [...s.result],
  flags: [...s.flags],
  unmet: [...s.unmet],
  above: [...s.above],
});

describe('A4: decide and apply are pure', () => {
  test('decide changes nothing: asked twice it says the same', () => {
    const run = new SmallRun(chain('A B C'));
    run.record.complete(run.start('A').epoch, 'succeeded');
    run.step();
    const before = JSON.stringify(stored(run.state));
    expect(run.decide()).toEqual(run.decide());
    expect(JSON.stringify(stored(run.state))).toBe(before);
  });

  test('state changes only by what the exchange returned: nothing is foreseen into it', () => {
    const run = new SmallRun(chain('A B'));
    run.log('hold', 'B');
    run.step();
    const { after } = preview(run.graph, run.state, run.record.log, run.state.now);
    expect([run.is('B', 'HELD'), (after.flags[1]! & 1) !== 0]).toEqual([false, true]);
    run.step();
    expect(stored(run.state)).toEqual(stored(after));
  });

  test('time is the instant that the last exchange returned: a timer makes an empty exchange first', () => {
    const run = new SmallRun([{ id: 'A', start: 5000 }]);
    expect(nextDue(run.graph, run.state)).toBe(5000);
    run.record.clock = 5000;
    expect(run.decide()).toEqual([]);
    run.step();
    expect(run.settle().offered()).toBe('A');
  });

  test('what falls due between a decision and the clock of its exchange is not slept over', () => {
    const run = new SmallRun([{ id: 'A', start: 1500 }, { id: 'B' }]);
    run.log('hold', 'B');
    run.record.clock = 1400;
    run.step();
    const groups = run.decide();
    run.record.clock = 1600;
    run.step(groups);
    expect(run.decide()).toHaveLength(1);
    expect(run.settle().offered()).toBe('A');
  });

  test('one group per log row, in their order, between the time that passed and what follows from the whole', () => {
    const run = new SmallRun([{ id: 'A', start: 2000 }, ...chain('B C')]);
    run.record.clock = 2000;
    const first = run.log('hold', 'B');
    run.log('unhold', 'B');
    run.log('force-pass', ['A', 'B', 'C']);
    run.step();
    expect(run.decide().map((group) => group.seq)).toEqual([0, 1, 2, 3, 0]);
    run.settle();
    expect(run.answerTo(first).state).toBe('applied');
    expect(run.record.finished).toBe(true);
  });
});

describe('A5: what the record contradicts cuts the list of groups', () => {
  test('the first group that the record contradicts cuts the list; it and all after it are decided again', () => {
    const run = new SmallRun([{ id: 'A' }, { id: 'B' }]);
    const before = run.log('hold', 'A');
    const cut = run.log('hold', 'B');
    const after = run.log('unhold', 'A');
    run.step();
    const groups = run.decide();
    run.start('B');
    run.step(groups);
    expect(run.record.cursor).toBe(1);
    expect([run.is('A', 'HELD'), run.is('B', 'HELD')]).toEqual([true, false]);
    expect(run.answerTo(before).state).toBe('applied');
    expect(() => run.answerTo(cut)).toThrow('0 answers');
    run.settle();
    expect(run.answerTo(cut).code).toBe('wrong_state');
    expect(run.answerTo(after).state).toBe('applied');
    expect(run.states('A', 'B')).toBe('A waiting_agent, B running');
  });

  test('a group is written whole or not at all', () => {
    const run = new SmallRun([{ id: 'A' }, { id: 'B' }]);
    const both = run.log('hold', ['A', 'B']);
    run.step();
    const groups = run.decide();
    run.claim('B');
    run.step(groups);
    expect(run.is('A', 'HELD')).toBe(false);
    run.settle();
    expect(run.answerTo(both)).toEqual({
      state: 'refused',
      code: 'wrong_state',
      codes: [null, 'wrong_state'],
    });
    expect(run.is('A', 'HELD')).toBe(false);
  });

  test('a refusal too holds only while nobody has claimed the flow', () => {
    const run = new SmallRun([{ id: 'A' }]);
    const cancel = run.log('cancel', 'A');
    run.step();
    const groups = run.decide();
    run.start('A');
    run.step(groups);
    run.settle();
    expect(run.answerTo(cancel).state).toBe('applied');
  });

  test('an exchange that was stored already is adopted, and the own decisions come again', () => {
    const run = new SmallRun(chain('A B'));
    const other = run.record.load();
    const own = run.log('hold', 'B');
    run.step();
    const frozen = run.decide();
    // Another worker commits exchange n with other decisions, and n + 1.
    let groups = decide(run.graph, other, [], other.now);
    for (let i = 0; i < 3; i++) {
      const answer = run.record.exchange(other.exchange + 1, groups);
      apply(run.graph, other, groups, answer);
      groups = decide(run.graph, other, answer.entries, other.now);
    }
    expect(run.record.n).toBeGreaterThan(run.state.exchange);
    run.step(frozen);
    run.settle();
    expect(run.answerTo(own).state).toBe('applied');
    expect(stored(run.state)).toEqual(stored(run.record.load()));
  });

  test('adopted however far ahead the counter is: one stored exchange after the other', () => {
    const run = new SmallRun(chain('A B C'));
    const late = {
      state: run.record.load(),
      groups: decide(run.graph, run.record.load(), [], run.record.now),
    };
    run.run('A', 'B', 'C');
    expect(run.record.finished).toBe(true);
    let steps = 0;
    while (late.state.exchange < run.record.n) {
      const answer = run.record.exchange(late.state.exchange + 1, late.groups);
      apply(run.graph, late.state, late.groups, answer);
      late.groups = decide(run.graph, late.state, answer.entries, late.state.now);
      steps++;
    }
    expect(steps).toBeGreaterThan(5);
    expect([late.groups, stored(late.state)]).toEqual([[], stored(run.state)]);
  });

  test('after a cut, what was to be looked at is looked at again', () => {
    const run = new SmallRun([{ id: 'A', start: 2000 }, { id: 'B' }]);
    run.record.clock = 2000;
    run.log('hold', ['A', 'B']);
    run.step();
    const groups = run.decide();
    run.claim('B');
    run.step(groups);
    expect(run.settle().stateOf('A')).toBe('waiting_agent');
    expect(run.record.outbox.has(0)).toBe(true);
  });

  test('a claim of an older attempt is not taken for one of the next', () => {
    const retries = { program: 1, infrastructure: 0, timeout: 0, lost: 0, backoffMs: 0 };
    const run = new SmallRun([{ id: 'A', retries }]);
    const lease = run.start('A');
    run.ask('hold', 'A');
    expect(run.state.lease[0]).toBe(2);
    run.end(lease, 'failed', 'program');
    expect([run.attempt('A'), run.state.lease[0], run.stateOf('A')]).toEqual([2, 0, 'waiting_agent']);
  });

  test('a claim that is found to have ended unheard, of a flow that is no longer ready, is taken back', () => {
    const graph = graphOf([{ id: 'A' }]);
    const s = freshState(graph);
    // Known as sent, held since: the next answer says that nobody has it.
    s.flags[0] = FLAG.HELD | FLAG.DISPATCHED;
    s.lease[0] = 1;
    const answer = { n: 1, now: 1000, written: 0, adopted: null, cursor: 0, entries: [], more: false };
    apply(graph, s, [], { ...answer, leases: [], allLeases: true });
    const [group] = decide(graph, s, [], 1000);
    expect(group!.changes[0]).toMatchObject({ flags: FLAG.HELD, expect: 1 });
  });

  test('likewise one whose end a rerun waits for: it becomes a member that never started', () => {
    const graph = graphOf([{ id: 'A' }]);
    const s = freshState(graph);
    const { DISPATCHED, MEMBER, RERUN_PENDING, PENDING_ROOT } = FLAG;
    s.flags[0] = DISPATCHED | MEMBER | RERUN_PENDING | PENDING_ROOT;
    s.lease[0] = 1;
    const answer = { n: 1, now: 1000, written: 0, adopted: null, cursor: 0, entries: [], more: false };
    apply(graph, s, [], { ...answer, leases: [], allLeases: true });
    const [group] = decide(graph, s, [], 1000);
    expect(group!.changes[0]).toMatchObject({
      generation: 1,
      flags: DISPATCHED | MEMBER,
      expect: 1,
      released: 1,
    });
  });
});

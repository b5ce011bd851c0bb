import { describe, expect, test } from 'vitest';
import { isFinished } from '../../../graph/run/due.ts';
import { chain, SmallRun } from '../../support/small-run.ts';

describe('D5: what frees downstream', () => {
  test('succeeded, skipped and force_passed free downstream and count as done; nothing else does', () => {
    for (const [end, free] of [
      [(run: SmallRun) => run.run('A'), 'B'],
      [(run: SmallRun) => run.ask('skip', 'A'), 'B'],
      [(run: SmallRun) => run.ask('force-pass', 'A'), 'B'],
      [(run: SmallRun) => run.fail('A'), ''],
      [(run: SmallRun) => run.lose(run.start('A')), ''],
      [(run: SmallRun) => run.ask('retire', 'A'), ''],
    ] as const) {
      const run = new SmallRun(chain('A B', {}));
      end(run);
      expect(run.offered()).toBe(free);
    }
  });

  test('force_passed is never taken for succeeded', () => {
    const run = new SmallRun(chain('A'));
    const lease = run.start('A');
    run.ask('force-pass', 'A', { supersede: true });
    expect(run.end(lease).stateOf('A')).toBe('force_passed');
  });

  test('the run is finished when every flow is done or retired, and not any more when one is redone', () => {
    const run = new SmallRun(chain('A B C'));
    run.ask('retire', 'C');
    run.run('A');
    run.ask('force-pass', 'B');
    expect([run.record.finished, isFinished(run.graph, run.state)]).toEqual([true, true]);
    run.rerun('B', 'only');
    expect(run.record.finished).toBe(false);
  });

  test('flows that the run was not opened for keep it from finishing only once somebody triggers them', () => {
    const run = new SmallRun([{ id: 'A' }, { id: 'X', excluded: true }]);
    run.run('A');
    expect([run.record.finished, run.stateOf('X')]).toEqual([true, 'not_triggered']);
    run.ask('trigger', 'X');
    expect(run.record.finished).toBe(false);
    expect(run.run('X').record.finished).toBe(true);
  });
});

describe('D6: taint', () => {
  test('is set by force-pass, skip, waive, start-now over an edge, and resolve: it ran', () => {
    const tainting: [string, (run: SmallRun) => unknown][] = [
      ['force-pass', (run) => run.ask('force-pass', 'B')],
      [
        'skip',
        (run) => {
          run.ask('skip', 'B');
          return run.run('A');
        },
      ],
      [
        'waive',
        (run) => {
          run.waive('A', 'B');
          return run.run('B');
        },
      ],
      [
        'start-now',
        (run) => {
          run.ask('start-now', 'B');
          return run.run('B');
        },
      ],
      [
        'resolve',
        (run) => {
          run.run('A').lose(run.start('B'));
          return run.ask('resolve', 'B', { ran: true });
        },
      ],
    ];
    for (const [verb, taint] of tainting) {
      const run = new SmallRun(chain('A B C', {}));
      taint(run);
      expect([verb, run.is('B', 'TAINTED')]).toEqual([verb, true]);
    }
  });

  test('a start-now that set no edge aside does not taint', () => {
    const run = new SmallRun([{ id: 'A', start: 9000 }]);
    run.ask('start-now', 'A');
    expect(run.run('A').flagged('TAINTED')).toBe('');
  });

  test('a start-now whose edge went missing later, before it was released, does', () => {
    const run = new SmallRun([{ id: 'A' }, { id: 'B', after: ['A'], trigger: 'manual' }]).run('A');
    run.ask('hold', 'B');
    run.ask('start-now', 'B');
    run.rerun('A', 'only');
    run.ask('unhold', 'B');
    expect([run.offered(), run.is('B', 'TAINTED')]).toEqual(['A B', true]);
  });

  test('and one that waits unclaimed is released again when its edge goes missing', () => {
    const run = new SmallRun([{ id: 'A' }, { id: 'B', after: ['A'], trigger: 'manual' }]).run('A');
    run.ask('start-now', 'B');
    expect(run.is('B', 'TAINTED')).toBe(false);
    run.rerun('A', 'only');
    expect([run.offered(), run.is('B', 'TAINTED')]).toEqual(['A B', true]);
  });

  test('otherwise it is the OR of the upstream results used, a waived one is not used', () => {
    const specs = [
      { id: 'A' },
      { id: 'B' },
      { id: 'C', after: ['A', 'B'] },
      { id: 'D', after: ['C'] },
      { id: 'E', after: ['B'] },
    ];
    const run = new SmallRun(specs);
    run.ask('force-pass', 'A');
    run.run('B', 'C', 'D', 'E');
    expect(run.flagged('TAINTED')).toBe('A C D');
  });

  test('is fixed at release and changes only with a new generation of the flow itself', () => {
    const run = new SmallRun(chain('A B C'));
    run.ask('force-pass', 'A');
    run.run('B', 'C');
    run.rerun('A', 'only');
    run.run('A');
    expect(run.flagged('TAINTED')).toBe('B C');
    run.rerun('B', 'downstream');
    run.run('B', 'C');
    expect(run.flagged('TAINTED')).toBe('');
  });

  test('an unclaimed flow whose edge is waived, or no longer, is released again', () => {
    const run = new SmallRun(chain('A B')).run('A');
    run.waive('A', 'B');
    expect([run.offered(), run.is('B', 'TAINTED')]).toEqual(['B', true]);
    run.ask('unwaive', [], { edges: [{ from: 'A', to: 'B' }] });
    expect([run.offered(), run.is('B', 'TAINTED')]).toEqual(['B', false]);
  });

  test('crosses run borders', () => {
    const run = new SmallRun([{ id: 'A', foreign: ['X'] }]);
    run.told('X', 2);
    expect([run.offered(), run.is('A', 'TAINTED')]).toEqual(['A', true]);
    run.told('X', 1);
    expect([run.offered(), run.is('A', 'TAINTED')]).toEqual(['A', false]);
  });
});

describe('D6: stale', () => {
  test('an upstream got a newer generation after the flow started: results and what is in progress', () => {
    const run = new SmallRun(chain('A B C D E')).run('A', 'B', 'C');
    run.start('D');
    run.rerun('A', 'only');
    expect(run.flagged('STALE')).toBe('B C D');
    run.run('A');
    expect([run.flagged('STALE'), run.offered()]).toEqual(['B C D', '']);
  });

  test('what is redone with it is not stale; nor what starts later', () => {
    const run = new SmallRun(chain('A B C')).run('A', 'B', 'C');
    run.rerun('A', 'downstream');
    expect(run.flagged('STALE')).toBe('');
    run.run('A', 'B', 'C');
    expect(run.flagged('STALE')).toBe('');
  });

  test('ends with the new generation of the flow itself', () => {
    const run = new SmallRun(chain('A B')).run('A', 'B');
    run.rerun('A', 'only');
    run.run('A');
    run.rerun('B', 'only');
    expect(run.flagged('STALE')).toBe('');
  });

  test('an attempt that starts after the redo is not stale because the one before it was', () => {
    const retries = { program: 1, infrastructure: 0, timeout: 0, lost: 0, backoffMs: 0 };
    const run = new SmallRun(chain('A B', { retries })).run('A');
    const lease = run.start('B');
    run.rerun('A', 'only');
    expect(run.flagged('STALE')).toBe('B');
    run.end(lease, 'failed', 'program').run('A');
    expect([run.flagged('STALE'), run.offered()]).toEqual(['', 'B']);
  });

  test('sent and not claimed is not started: nothing is stale, and it is taken back', () => {
    const run = new SmallRun(chain('A B')).run('A');
    expect(run.offered()).toBe('B');
    run.rerun('A', 'only');
    expect([run.flagged('STALE'), run.offered()]).toEqual(['', 'A']);
  });
});

import { describe, expect, test } from 'vitest';
import type { FlowSpec } from '../../support/run-graph.ts';
import { chain, SmallRun } from '../../support/small-run.ts';

const retries = { program: 1, infrastructure: 2, timeout: 0, lost: 1, backoffMs: 1000 };
const ORPHAN = 10_000 + 500;

const below = (a: Partial<FlowSpec>): FlowSpec[] => [
  { id: 'A', retries, ...a },
  { id: 'B', after: ['A'], fenced: true },
];

describe('C3, C4: failures and their budgets', () => {
  test('each kind of failure has its own budget and back-off', () => {
    const run = new SmallRun(below({ fenced: true }));
    run.end(run.start('A'), 'failed', 'infrastructure');
    expect([run.stateOf('A'), run.blockers('A')]).toEqual(['waiting_time', ['retry_backoff']]);
    run.wait(1000);
    run.end(run.start('A'), 'failed', 'program').wait(1000);
    run.end(run.start('A'), 'failed', 'infrastructure').wait(1000);
    expect(run.attempt('A')).toBe(4);
    expect(run.fail('A').states('A', 'B')).toBe('A failed, B waiting_upstream');
  });

  test('a kind without budget ends the generation', () => {
    const run = new SmallRun(below({ fenced: true }));
    expect(run.end(run.start('A'), 'failed', 'timeout').stateOf('A')).toBe('failed');
  });

  test('cancelled by somebody else counts as infrastructure', () => {
    const run = new SmallRun(below({ fenced: true }));
    run.end(run.start('A'), 'cancelled');
    expect([run.stateOf('A'), run.state.used[0]! >> 8]).toEqual(['waiting_time', 1]);
  });

  test('start-now sets a back-off aside', () => {
    const run = new SmallRun(below({ fenced: true })).fail('A');
    run.ask('start-now', 'A');
    expect(run.offered()).toBe('A');
  });
});

describe('C4: lost', () => {
  test('a fenced program gets its next attempt at once', () => {
    const run = new SmallRun(below({ fenced: true }));
    run.lose(run.start('A'));
    expect([run.offered(), run.attempt('A')]).toEqual(['A', 2]);
    run.lose(run.start('A'));
    expect(run.stateOf('A')).toBe('failed');
  });

  test('an idempotent one after orphanMs and grace', () => {
    const run = new SmallRun(below({ idempotent: true }));
    run.lose(run.start('A'));
    expect([run.offered(), run.blockers('A')]).toEqual(['', ['previous_attempt_ending']]);
    expect(run.wait(ORPHAN - 1).offered()).toBe('');
    expect(run.wait(1).offered()).toBe('A');
  });

  test('the rest becomes outcome_unknown, asks a person and frees nothing', () => {
    const run = new SmallRun(below({}));
    run.lose(run.start('A'));
    expect(run.states('A', 'B')).toBe('A outcome_unknown, B waiting_upstream');
    expect(run.notices()).toEqual(['outcome_unknown A']);
    expect(run.wait(1_000_000).stateOf('A')).toBe('outcome_unknown');
  });

  test('force-passed while its outcome is unknown, it is redone only when the orphan must be gone', () => {
    const run = new SmallRun(below({}));
    run.lose(run.start('A'));
    run.ask('force-pass', 'A');
    expect(run.offered()).toBe('B');
    run.rerun('A', 'only');
    expect([run.blockers('A'), run.offered()]).toEqual([['previous_attempt_ending'], '']);
    expect(run.wait(ORPHAN).offered()).toBe('A');
  });

  test('a person who resolves it vouches for the end of the old attempt', () => {
    const run = new SmallRun(below({}));
    run.lose(run.start('A'));
    run.ask('resolve', 'A', { ran: false });
    expect(run.offered()).toBe('A');
  });

  test("sent and not started is not the machine's: the claim ends, nothing is logged, the attempt is the same", () => {
    const run = new SmallRun(below({ fenced: true }));
    const lease = run.claim('A');
    run.lose(lease);
    expect([run.record.log, run.offered(), run.attempt('A')]).toEqual([[], 'A', 1]);
  });

  test('sent, not started and no longer ready: the end is reported, the flow waits again', () => {
    const run = new SmallRun(chain('A B C'));
    run.run('A');
    const lease = run.claim('B');
    run.rerun('A', 'only');
    expect(run.record.flows[1]!.phase).toBe(2);
    run.lose(lease);
    expect([run.offered(), run.stateOf('B'), run.attempt('B')]).toEqual(['A', 'waiting_upstream', 2]);
    expect(run.flagged('STALE')).toBe('');
    expect(run.run('A').offered()).toBe('B');
  });

  test.each([
    ['fenced', { fenced: true }, 'cancelled'],
    ['idempotent', { idempotent: true }, 'cancelled'],
    ['neither', {}, 'outcome_unknown'],
  ] as const)('cancelled, then lost, %s: %s', (_, a, state) => {
    const run = new SmallRun(below(a));
    const lease = run.start('A');
    run.ask('cancel', 'A');
    expect(run.lose(lease).stateOf('A')).toBe(state);
  });
});

describe('E: cancel', () => {
  test('a success that was logged first stays succeeded', () => {
    const run = new SmallRun(below({ fenced: true }));
    const lease = run.start('A');
    run.record.complete(lease.epoch, 'succeeded');
    expect(run.ask('cancel', 'A').code).toBe('wrong_state');
    expect(run.stateOf('A')).toBe('succeeded');
  });

  test('a success that was logged later is cancelled, with a notice, and what started below is stale (C7)', () => {
    const run = new SmallRun(below({ fenced: true }));
    const lease = run.start('A');
    run.ask('start-now', 'B');
    run.start('B');
    run.ask('cancel', 'A');
    run.end(lease, 'succeeded');
    expect([run.stateOf('A'), run.flagged('STALE'), run.notices()]).toEqual([
      'cancelled',
      'B',
      ['late_effect A'],
    ]);
  });

  test('a claim that never started is cancelled, not sent again', () => {
    const run = new SmallRun(below({ fenced: true }));
    const lease = run.claim('A');
    run.ask('cancel', 'A');
    expect(run.lose(lease).stateOf('A')).toBe('cancelled');
  });
});

describe('C7: superseding', () => {
  test('frees other flows at once; the own next attempt waits for the end of the old one', () => {
    const run = new SmallRun(below({ fenced: true, retries: { ...retries, backoffMs: 10 } }))
      .fail('A')
      .wait(10);
    // The back-off of this attempt lies in the past; it must not end the wait.
    const lease = run.start('A');
    run.ask('force-pass', 'A', { supersede: true });
    expect([run.stateOf('A'), run.offered(), lease.stop]).toEqual(['force_passed', 'B', true]);
    run.wait(100);
    run.rerun('A', 'only');
    expect([run.blockers('A'), run.offered()]).toEqual([['previous_attempt_ending'], '']);
    expect(run.end(lease, 'cancelled').offered()).toBe('A');
  });

  test('the old attempt lost: at once when fenced, after lease and grace when not', () => {
    for (const [a, wait] of [
      [{ fenced: true }, 0],
      [{ idempotent: true }, ORPHAN],
      [{}, ORPHAN],
    ] as const) {
      const run = new SmallRun(below(a));
      const lease = run.start('A');
      run.rerun('A', 'only', { running: 'supersede' });
      expect([run.generation('A'), run.blockers('A')]).toEqual([2, ['previous_attempt_ending']]);
      run.lose(lease);
      if (wait > 0) expect(run.wait(wait - 1).offered()).toBe('');
      expect(run.wait(1).offered()).toBe('A');
    }
  });

  test('a superseded claim that never started ends like one that did', () => {
    const run = new SmallRun(below({ fenced: true }));
    const lease = run.claim('A');
    run.rerun('A', 'only', { running: 'supersede' });
    expect(run.lose(lease).offered()).toBe('A');
  });

  test('a late effect marks what started below since as stale, with a notice', () => {
    const run = new SmallRun(chain('A B C D'));
    const lease = run.start('A');
    run.ask('force-pass', 'A', { supersede: true });
    run.run('B');
    run.start('C');
    run.end(lease, 'succeeded');
    expect([run.stateOf('A'), run.flagged('STALE')]).toEqual(['force_passed', 'B C']);
    expect(run.notices()).toEqual(['late_effect A']);
  });

  test('the effect of a lost attempt, proved later, does the same', () => {
    const run = new SmallRun(below({ fenced: true }));
    run.lose(run.start('A'));
    run.run('A', 'B');
    run.record.append({ kind: 'external', body: { type: 'effect', v: 0, generation: 1, attempt: 1 } });
    run.settle();
    expect([run.flagged('STALE'), run.notices()]).toEqual(['B', ['late_effect A']]);
  });

  test('an idempotent program whose lost attempt tells its end after all is tried again at once, not after its grace', () => {
    const run = new SmallRun(below({ idempotent: true, orphanMs: 30_000 }));
    run.lose(run.start('A'));
    const late = (attempt: number): void => {
      run.record.append({ kind: 'external', body: { type: 'effect', v: 0, generation: 1, attempt } });
      run.settle();
    };
    // Nothing follows from an attempt before the last one.
    late(0);
    expect([run.stateOf('A'), run.flagged('ENDING')]).toEqual(['waiting_time', 'A']);
    late(1);
    expect([run.stateOf('A'), run.flagged('ENDING')]).toEqual(['waiting_agent', '']);
  });

  test('a lost attempt that ended without an effect ends the wait, too, and nothing below it is stale', () => {
    const run = new SmallRun(below({ idempotent: true, orphanMs: 30_000 }));
    run.lose(run.start('A'));
    run.record.append({ kind: 'external', body: { type: 'end', v: 0, generation: 1, attempt: 1 } });
    run.settle();
    expect([run.stateOf('A'), run.flagged('ENDING'), run.notices()]).toEqual(['waiting_agent', '', []]);
  });

  test('a failure of a superseded attempt changes nothing but the wait', () => {
    const run = new SmallRun(chain('A B'));
    const lease = run.start('A');
    run.ask('force-pass', 'A', { supersede: true });
    run.end(lease, 'failed', 'program');
    expect([run.stateOf('A'), run.notices(), run.flagged('ENDING')]).toEqual(['force_passed', [], '']);
  });
});

describe('D9: checks run by an agent', () => {
  const check = { kind: 'check', everyMs: 5000, giveUpAfterMs: 12_000, fenced: true } as const;

  test('false stays waiting and is tried every everyMs, without budget', () => {
    const run = new SmallRun(below(check));
    run.end(run.start('A'), 'false');
    expect([run.stateOf('A'), run.attempt('A'), run.state.used[0]]).toEqual(['waiting_time', 2, 0]);
    expect(run.wait(4999).offered()).toBe('');
    run.wait(1);
    expect(run.end(run.start('A')).states('A', 'B')).toBe('A succeeded, B waiting_agent');
  });

  test('until its questions and the pauses after them make giveUpAfterMs, then it fails and says so', () => {
    const run = new SmallRun(below(check));
    for (let i = 0; i < 2; i++) run.answer('A', 'false', 700).wait(5000);
    // 2 x 5,700 ms are used. What it waits for an agent, during a pause, say, does not count.
    run.wait(3_600_000);
    expect(run.answer('A', 'false', 599).stateOf('A')).toBe('waiting_time');
    run.wait(5000).wait(3_600_000);
    expect(run.answer('A', 'false', 1).stateOf('A')).toBe('failed');
    expect(run.gaveUp()).toEqual(['A 1.4 false 17000/12000']);
  });

  test('an answer is no failure in a row with others: hiccups hours apart do not add up', () => {
    const run = new SmallRun(below({ ...check, giveUpAfterMs: null, retries }));
    for (let night = 0; night < 5; night++) {
      run.end(run.start('A'), 'failed', 'infrastructure').wait(1000);
      run.end(run.start('A'), 'failed', 'program').wait(1000);
      run.end(run.start('A'), 'failed', 'infrastructure').wait(1000);
      run.lose(run.start('A'));
      expect(run.answer('A', 'false', 10).state.used[0]).toBe(0);
      run.wait(5000);
    }
    for (let i = 0; i < 2; i++) run.end(run.start('A'), 'failed', 'infrastructure').wait(1000);
    expect(run.gaveUp()).toEqual([]);
    expect(run.end(run.start('A'), 'failed', 'infrastructure').stateOf('A')).toBe('failed');
    expect(run.gaveUp()).toEqual(['A 1.28 infrastructure 3/2']);
  });

  test('a question that failed, was lost or never began uses up no patience', () => {
    const run = new SmallRun(below({ ...check, retries: { ...retries, lost: 3 } }));
    run.answer('A', 'false', 700).wait(5000);
    const used = run.state.asked[0];
    const failing = run.start('A');
    run.record.clock += 60_000;
    run.end(failing, 'failed', 'infrastructure').wait(1000);
    const dying = run.start('A');
    run.record.clock += 60_000;
    run.lose(dying);
    run.end(run.claim('A'), 'requeued');
    expect([run.state.asked[0], run.offered()]).toEqual([used, 'A']);
    expect(run.record.load().asked[0]).toBe(used);
  });

  test.each([
    ['a rerun of what failed', (run: SmallRun) => run.end(run.start('A'), 'failed', 'timeout')],
    [
      'a rerun of what was cancelled',
      (run: SmallRun) => {
        const lease = run.start('A');
        run.ask('cancel', 'A');
        run.end(lease, 'cancelled');
      },
    ],
  ])('%s begins with whole patience and whole budgets', (_, end) => {
    const run = new SmallRun(below({ ...check, retries }));
    run.answer('A', 'false', 700).wait(5000);
    run.end(run.start('A'), 'failed', 'infrastructure').wait(1000);
    expect([run.state.asked[0], run.state.used[0]]).toEqual([5700, 1 << 8]);
    end(run);
    run.rerun('A', 'only');
    expect([run.stateOf('A'), run.state.asked[0], run.state.used[0]]).toEqual(['waiting_agent', 0, 0]);
  });

  test('a rerun that waits for the question begins with whole patience when it is answered', () => {
    const run = new SmallRun(below({ ...check, retries }));
    run.answer('A', 'false', 700).wait(5000);
    const lease = run.start('A');
    run.rerun('A', 'only', { running: 'wait' });
    expect(run.end(lease, 'false').generation('A')).toBe(2);
    expect([run.state.asked[0], run.gaveUp()]).toEqual([0, []]);
  });

  test('an old row of the log, which says nothing of the time, counts as a short question', () => {
    const run = new SmallRun(below(check));
    const { generation, attempt } = run.start('A');
    run.record.leases.clear();
    run.record.append({ kind: 'completion', v: 0, generation, attempt, outcome: 'false', failure: null });
    expect(run.settle().state.asked[0]).toBe(5001);
  });

  test('a job that answers false has failed', () => {
    const run = new SmallRun(below({ retries: { ...retries, program: 0 } }));
    expect(run.end(run.start('A'), 'false').stateOf('A')).toBe('failed');
  });
});

describe('D9: engine flows', () => {
  test('end in the exchange that releases them, with one notice', () => {
    const run = new SmallRun([
      { id: 'A' },
      { id: 'N', kind: 'notify', after: ['A'] },
      { id: 'B', after: ['N'] },
    ]);
    const before = run.record.n;
    run.record.complete(run.start('A').epoch, 'succeeded');
    run.step();
    run.step();
    expect([run.record.n - before, run.offered(), run.notices()]).toEqual([2, 'B', ['notify N']]);
  });
});

import { describe, expect, test } from 'vitest';
import type { FlowSpec } from '../../support/run-graph.ts';
import { chain, SmallRun } from '../../support/small-run.ts';

/** G, a gate of role `gatekeeper`, before B; K is a key flow. */
const gated: FlowSpec[] = [
  { id: 'A', fenced: true },
  { id: 'G', kind: 'gate', after: ['A'] },
  { id: 'B', after: ['G'], fenced: true },
  { id: 'K', key: true, fenced: true },
];
const nobody = { roles: [] };

describe('B3: all or nothing', () => {
  test('one flow that may not be touched refuses the whole operation, with the code of each', () => {
    const run = new SmallRun(chain('A B C'));
    run.claim('A');
    expect(run.ask('hold', ['A', 'B', 'NOBODY'])).toEqual({
      state: 'refused',
      code: 'wrong_state',
      codes: ['wrong_state', null, 'unknown_flow'],
    });
    expect(run.flagged('HELD')).toBe('');
  });

  test('partial: what may be done is done', () => {
    const run = new SmallRun(chain('A B C'));
    run.claim('A');
    const answer = run.ask('hold', ['A', 'B', 'B'], { partial: true });
    expect(answer).toEqual({ state: 'applied', code: null, codes: ['wrong_state', null] });
    expect(run.flagged('HELD')).toBe('B');
    expect(run.ask('hold', ['A'], { partial: true }).state).toBe('refused');
  });

  test('edges likewise; an edge named twice is one', () => {
    const run = new SmallRun(chain('A B C'));
    const edges = [
      { from: 'A', to: 'B' },
      { from: 'A', to: 'C' },
    ];
    expect(run.ask('waive', [], { edges })).toEqual({
      state: 'refused',
      code: 'unknown_edge',
      codes: [null, 'unknown_edge'],
    });
    expect(run.ask('waive', [], { edges: [edges[0]!, edges[0]!] }).codes).toEqual([null, null]);
    expect(run.effects.filter((effect) => effect.t === 'override')).toHaveLength(1);
  });

  test('forcePassRequires: refused while one is not done, but for those before it in the same operation', () => {
    const run = new SmallRun([
      { id: 'A' },
      { id: 'B', after: ['A'], forcePassRequires: ['A'] },
      { id: 'C', forcePassRequires: ['GONE'] },
    ]);
    expect(run.ask('force-pass', 'B').code).toBe('force_pass_requires');
    expect(run.ask('force-pass', ['B', 'A']).code).toBe('force_pass_requires');
    expect(run.ask('force-pass', 'C').code).toBe('force_pass_requires');
    expect(run.ask('force-pass', ['A', 'B']).code).toBeNull();
  });
});

describe('B4: two persons', () => {
  test.each([
    ['force-pass', 'G', 'approval_required'],
    ['skip', 'G', 'approval_required'],
    ['start-now', 'G', 'approval_required'],
    ['force-pass', 'B', 'approval_required'],
    ['start-now', 'B', 'approval_required'],
    ['force-pass', 'K', 'approval_required'],
    ['skip', 'B', null],
    ['hold', 'G', null],
    ['force-pass', 'A', null],
  ] as const)('%s of %s by somebody without the role: %s', (verb, flow, code) => {
    const run = new SmallRun(gated);
    const before = [...run.state.flags];
    expect(run.ask(verb, flow, nobody)).toEqual({
      state: code === null ? 'applied' : 'approval_required',
      code,
      codes: [null],
    });
    if (code === null) return;
    expect([...run.state.flags]).toEqual(before);
    expect(run.ask(verb, flow, { ...nobody, approvedBy: 'second' }).state).toBe('applied');
  });

  test('the role of the gate, or for key flows the role key, suffices', () => {
    const run = new SmallRun(gated);
    expect(run.ask('force-pass', 'K', { roles: ['gatekeeper'] }).state).toBe('approval_required');
    expect(run.ask('force-pass', 'K', { roles: ['key'] }).state).toBe('applied');
    expect(run.ask('start-now', 'B', { roles: ['key'] }).state).toBe('approval_required');
    expect(run.ask('start-now', 'B', { roles: ['gatekeeper'] }).state).toBe('applied');
  });

  test('waiving an edge from an undone gate needs it; from a gate that is done it does not', () => {
    const run = new SmallRun(gated);
    expect(run.waive('G', 'B', nobody).state).toBe('approval_required');
    expect(run.waive('A', 'G', nobody).state).toBe('applied');
    run.ask('confirm', 'G');
    run.record.clock += 1;
    run.ask('hold', 'B');
    expect(run.waive('G', 'B', nobody).state).toBe('applied');
  });

  test('a gate is confirmed by its role only; a second person does not help', () => {
    const run = new SmallRun(gated);
    expect(run.ask('confirm', 'G', { roles: ['key'], approvedBy: 'second' }).code).toBe('role_required');
    expect(run.ask('reject', 'G', nobody).code).toBe('role_required');
  });

  test('what is refused is not sent for approval', () => {
    const run = new SmallRun(gated);
    run.claim('K');
    expect(run.ask('force-pass', 'K', nobody).code).toBe('wrong_state');
  });
});

describe('gates: reminders', () => {
  const moments = [
    { at: 2000, kind: 'gate_reminder', recipient: 'gatekeeper' },
    { at: 3000, kind: 'gate_reminder', recipient: 'gatekeeper' },
    { at: 4000, kind: 'gate_escalation', recipient: 'boss' },
  ] as const;
  const reminded: FlowSpec[] = [{ id: 'A' }, { id: 'G', kind: 'gate', after: ['A'], moments }];

  test('each comes once', () => {
    const run = new SmallRun(reminded).run('A');
    run.wait(1000).wait(10).wait(1000).wait(1000).wait(100_000);
    expect(run.notices()).toEqual(['gate_reminder G', 'gate_reminder G', 'gate_escalation G']);
  });

  test('not before its turn; then one for all that has passed', () => {
    const run = new SmallRun(reminded).wait(2500);
    expect(run.notices()).toEqual([]);
    run.run('A');
    expect(run.notices()).toEqual(['gate_reminder G']);
    run.wait(1000);
    expect(run.notices()).toEqual(['gate_reminder G', 'gate_escalation G']);
  });

  test('none after the confirmation, and none again for a new generation', () => {
    const run = new SmallRun(reminded).run('A').wait(1000);
    run.ask('confirm', 'G');
    run.wait(5000);
    run.rerun('G', 'only');
    run.wait(5000);
    expect(run.notices()).toEqual(['gate_reminder G', 'gate_escalation G']);
  });
});

describe('D7: loops and broken references', () => {
  const loop: FlowSpec[] = [
    { id: 'A', fenced: true },
    { id: 'L1', after: ['A', 'L2'], fenced: true },
    { id: 'L2', after: ['L1'], fenced: true },
    { id: 'B', after: ['L2'], fenced: true },
    { id: 'X', after: ['GONE'], fenced: true },
  ];

  test('members stay in the run with blocker loop, a broken reference is dependency_invalid', () => {
    const run = new SmallRun(loop).run('A');
    expect([run.blockers('L1'), run.blockers('L2'), run.blockers('X')]).toEqual([
      ['loop'],
      ['loop'],
      ['dependency_invalid'],
    ]);
    expect(run.offered()).toBe('');
  });

  test.each([
    ['waive', 'L1 X'],
    ['start-now', 'L1 X'],
  ] as const)('%s works on them', (verb, offered) => {
    const run = new SmallRun(loop).run('A');
    if (verb === 'waive') {
      run.waive('L2', 'L1');
      run.waive('GONE', 'X');
    } else run.ask('start-now', ['L1', 'X']);
    expect(run.offered()).toBe(offered);
    expect(run.run('L1', 'L2', 'B').flagged('TAINTED')).toBe('L1 L2 B X');
  });

  test('force-pass and skip too; a rerun redoes all of the loop and waits inside it for nobody', () => {
    const run = new SmallRun(loop).run('A');
    run.ask('force-pass', 'L2');
    run.run('L1', 'B');
    run.rerun('A', 'downstream');
    expect([run.offered(), run.generation('L1'), run.generation('L2')]).toEqual(['A', 2, 2]);
    run.run('A');
    run.waive('L2', 'L1');
    run.run('L1', 'L2', 'B');
    expect(run.flagged('MEMBER')).toBe('');
  });

  test('a flow that waits for itself is a loop of one', () => {
    const run = new SmallRun([{ id: 'A', after: ['A'] }]);
    expect(run.blockers('A')).toEqual(['loop']);
    run.waive('A', 'A');
    expect(run.run('A').stateOf('A')).toBe('succeeded');
  });
});

describe('events and runs opened for some procedures', () => {
  const specs: FlowSpec[] = [
    { id: 'E', trigger: 'event', event: 'files' },
    { id: 'X', trigger: 'event', event: 'files', excluded: true },
    { id: 'P', excluded: true },
  ];
  const happen = (run: SmallRun, event: string): SmallRun => {
    run.record.append({ kind: 'external', body: { type: 'event', event } });
    return run.settle();
  };

  test('an event triggers the flows that wait for it, none that the run was not opened for', () => {
    const run = happen(new SmallRun(specs), 'other');
    expect(run.offered()).toBe('');
    expect(happen(run, 'files').offered()).toBe('E');
    run.run('E');
    expect(happen(run, 'files').states('E', 'X')).toBe('E succeeded, X not_triggered');
  });

  test('an event that comes when the flow was force-passed redoes nothing', () => {
    const run = new SmallRun([
      { ...specs[0]!, onTrigger: true },
      { id: 'B', after: ['E'] },
    ]);
    run.ask('force-pass', 'E');
    run.run('B');
    happen(run, 'files');
    expect([run.states('E', 'B'), run.generation('B'), run.flagged('MEMBER')]).toEqual([
      'E force_passed, B succeeded',
      1,
      '',
    ]);
  });

  test('a flow of another procedure waits for its trigger, and may be included later', () => {
    const run = new SmallRun(specs);
    expect(run.stateOf('P')).toBe('not_triggered');
    run.ask('trigger', 'P');
    expect(run.offered()).toBe('P');
  });
});

describe('cancel with force-end: a person lets go of an attempt that does not end', () => {
  const stops = (run: SmallRun) =>
    run.effects.filter((effect) => effect.t === 'stop').map((effect) => effect.force);
  const kinds = (run: SmallRun) =>
    run.effects.flatMap((effect) => (effect.t === 'override' ? [effect.kind] : []));
  const started = () => {
    const run = new SmallRun([{ id: 'A' }, { id: 'B', after: ['A'] }]);
    return { run, lease: run.claim('A') };
  };

  test('one that was superseded by a rerun: its flow stays as it is', () => {
    const { run, lease } = started();
    run.rerun('A', 'only');
    expect(run.ask('cancel', 'A').code).toBe('wrong_state');
    expect(run.ask('cancel', 'A', { forceEnd: true }).code).toBeNull();
    expect([stops(run), kinds(run), run.flagged('STOPPING')]).toEqual([[undefined, true], [], '']);
    expect(run.flagged('ENDING')).toBe('A');
    run.end(lease, 'cancelled');
    expect([run.flagged('ENDING'), run.offered()]).toEqual(['', 'A']);
  });

  test('one that a rerun awaits: the rerun follows', () => {
    const { run, lease } = started();
    run.ask('cancel', 'A');
    run.rerun('A', 'only', { running: 'wait' });
    expect(run.ask('cancel', 'A').code).toBe('rerun_pending');
    expect(run.ask('cancel', 'A', { forceEnd: true }).code).toBeNull();
    expect([stops(run), kinds(run)]).toEqual([
      [undefined, true],
      ['cancel', 'cancel'],
    ]);
    run.end(lease, 'cancelled');
    expect([run.generation('A'), run.offered(), run.flagged('STOPPING')]).toEqual([2, 'A', '']);
  });

  test('one of a flow that was force-passed: the result stands', () => {
    const { run, lease } = started();
    run.ask('force-pass', 'A', { supersede: true });
    expect(run.ask('cancel', 'A').code).toBe('wrong_state');
    expect(run.ask('cancel', 'A', { forceEnd: true }).code).toBeNull();
    run.end(lease, 'cancelled');
    expect([run.states('A', 'B'), run.flagged('ENDING')]).toEqual(['A force_passed, B waiting_agent', '']);
    expect(run.ask('cancel', 'A', { forceEnd: true }).code).toBe('wrong_state');
  });
});

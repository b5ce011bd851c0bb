import { describe, expect, test } from 'vitest';
import type { Verb } from '../../../graph/run/decisions.ts';
import { STATES, type State } from '../../../graph/run/status.ts';
import { rootRefusal } from '../../../graph/verbs/rerun.ts';
import { VERBS } from '../../../graph/verbs/verbs.ts';
import type { FlowSpec } from '../../support/run-graph.ts';
import { SmallRun } from '../../support/small-run.ts';

/** A -> B -> C; B is the one in question. */
function runWith(b: Partial<FlowSpec>): SmallRun {
  return new SmallRun([
    { id: 'A', fenced: true },
    { id: 'B', after: ['A'], ...b },
    { id: 'C', after: ['B'], fenced: true },
  ]);
}

const gate = { kind: 'gate' } as const;

/** How B gets into each state. */
const into: Record<State, (as?: Partial<FlowSpec>) => SmallRun> = {
  not_triggered: (as) => runWith({ trigger: 'manual', ...as }).run('A'),
  held: (as) => {
    const run = runWith(as ?? {});
    run.ask('hold', 'B');
    return run.run('A');
  },
  waiting_upstream: (as) => runWith(as ?? {}),
  waiting_time: (as) => runWith({ start: 9_000_000, ...as }).run('A'),
  waiting_person: () => runWith(gate).run('A'),
  waiting_agent: () => runWith({}).run('A'),
  sent_to_agent: () => {
    const run = runWith({}).run('A');
    run.claim('B');
    return run;
  },
  running: () => {
    const run = runWith({}).run('A');
    run.start('B');
    return run;
  },
  succeeded: (as) => {
    const run = runWith(as ?? {}).run('A');
    if (as?.kind === 'gate') run.ask('confirm', 'B');
    else run.run('B');
    return run;
  },
  failed: (as) => {
    const run = runWith(as ?? {}).run('A');
    if (as?.kind === 'gate') run.ask('reject', 'B');
    else run.fail('B');
    return run;
  },
  cancelled: () => {
    const run = runWith({}).run('A');
    const lease = run.start('B');
    run.ask('cancel', 'B');
    return run.end(lease, 'cancelled');
  },
  skipped: (as) => {
    const run = runWith(as ?? {});
    run.ask('skip', 'B');
    return run.run('A');
  },
  force_passed: (as) => {
    const run = runWith(as ?? {}).run('A');
    run.ask('force-pass', 'B');
    return run;
  },
  outcome_unknown: () => {
    const run = runWith({}).run('A');
    return run.lose(run.start('B'));
  },
  retired: (as) => {
    const run = runWith(as ?? {}).run('A');
    run.ask('retire', 'B');
    return run;
  },
};

const NS: State[] = [
  'not_triggered',
  'held',
  'waiting_upstream',
  'waiting_time',
  'waiting_agent',
  'waiting_person',
];
const OTHERS = STATES.filter((state) => !NS.includes(state));

/** Protocol E: verb -> states that allow it. Everything else is `wrong_state`. */
const allowed: Partial<Record<Verb, State[]>> = {
  'force-pass': [...NS, 'failed', 'cancelled', 'outcome_unknown'],
  skip: NS,
  unskip: NS,
  waive: NS,
  'start-now': ['not_triggered', 'waiting_upstream', 'waiting_time'],
  trigger: ['not_triggered'],
  hold: NS,
  unhold: NS,
  expedite: NS,
  cancel: ['sent_to_agent', 'running'],
  resolve: ['outcome_unknown'],
  retire: [...NS, 'failed', 'cancelled'],
  unretire: ['retired'],
};

describe('E: verb by state', () => {
  test.each(STATES)('the recipe for %s gives a flow that is', (state) => {
    expect(into[state]().stateOf('B')).toBe(state);
  });

  for (const [verb, states] of Object.entries(allowed) as [Verb, State[]][])
    test.each(STATES.map((state) => [state, states.includes(state) ? null : 'wrong_state'] as const))(
      `${verb} of a flow that is %s: %s`,
      (state, code) => {
        const run = into[state]();
        const answer =
          verb === 'waive'
            ? run.waive('A', 'B')
            : run.ask(verb, 'B', verb === 'resolve' ? { ran: true } : {});
        expect(answer).toEqual({ state: code === null ? 'applied' : 'refused', code, codes: [code] });
        if (code !== null) expect(run.stateOf('B')).toBe(state);
      },
    );

  test.each(STATES.map((state) => [state, NS.includes(state) ? null : 'wrong_state'] as const))(
    'unwaive of an edge to a flow that is %s: %s',
    (state, code) => {
      const run = into[state]();
      const first = run.ask('unwaive', [], { edges: [{ from: 'A', to: 'B' }] });
      expect(first.code).toBe(code === null ? 'not_waived' : code);
      if (code !== null) return;
      run.waive('A', 'B');
      expect(run.waive('A', 'B').code).toBe('already_waived');
      expect(run.ask('unwaive', [], { edges: [{ from: 'A', to: 'B' }] }).code).toBeNull();
    },
  );

  test.each([
    ['sent_to_agent', false, 'wrong_state'],
    ['sent_to_agent', true, null],
    ['running', false, 'wrong_state'],
    ['running', true, null],
  ] as const)('force-pass of a flow that is %s, supersede %s: %s', (state, supersede, code) => {
    const run = into[state]();
    expect(run.ask('force-pass', 'B', { supersede }).code).toBe(code);
    expect(run.stateOf('B')).toBe(code === null ? 'force_passed' : state);
  });

  const gateStates: State[] = [
    'not_triggered',
    'held',
    'waiting_upstream',
    'waiting_time',
    'waiting_person',
    'succeeded',
    'failed',
    'skipped',
    'force_passed',
    'retired',
  ];
  test.each(
    gateStates.flatMap((state) => {
      const ns = NS.includes(state);
      return [
        ['confirm', state, ns ? null : state === 'succeeded' ? 'already_confirmed' : 'wrong_state'],
        ['reject', state, ns ? null : 'wrong_state'],
        ['withdraw', state, ns ? 'not_confirmed' : 'wrong_state'],
      ] as [Verb, State, string | null][];
    }),
  )('%s of a gate that is %s: %s', (verb, state, code) => {
    const run = into[state](gate);
    expect(run.stateOf('B')).toBe(state);
    expect(run.ask(verb, 'B').code).toBe(code);
  });

  test.each(['confirm', 'reject', 'withdraw'] as const)('%s of a job: not_a_gate in every state', (verb) => {
    for (const state of STATES.filter((state) => state !== 'waiting_person'))
      expect(into[state]().ask(verb, 'B').code).toBe('not_a_gate');
  });

  const rerunnable: State[] = [
    'succeeded',
    'skipped',
    'force_passed',
    'failed',
    'cancelled',
    'sent_to_agent',
    'running',
  ];
  test.each(
    STATES.map((state) => {
      const other = state === 'outcome_unknown' ? 'outcome_unknown' : 'wrong_state';
      return [state, rerunnable.includes(state) ? null : other] as const;
    }),
  )('rerun of a flow that is %s: %s', (state, code) => {
    const run = into[state]();
    for (const scope of ['only', 'downstream', 'selection'] as const)
      expect(rootRefusal(run.graph, run.record.load(), run.vertex('B'), scope)).toBe(code);
    if (code !== null) return;
    expect(run.rerun('B', 'only').code).toBeNull();
    expect(run.generation('B')).toBe(2);
  });

  test('the table that is served says the same', () => {
    for (const [verb, states] of Object.entries(allowed) as [Verb, State[]][])
      expect([...VERBS.get(verb)!.allowedIn].sort()).toEqual([...states].sort());
    expect(VERBS.get('force-pass')!.withSupersede).toEqual(['sent_to_agent', 'running']);
    expect([...VERBS.get('rerun')!.allowedIn].sort()).toEqual([...rerunnable].sort());
    expect(OTHERS).toHaveLength(9);
  });

  test('flows and edges that are not there', () => {
    const run = runWith({});
    expect(run.ask('hold', 'NOBODY').code).toBe('unknown_flow');
    expect(run.waive('A', 'NOBODY').code).toBe('unknown_flow');
    expect(run.waive('A', 'C').code).toBe('unknown_edge');
    expect(run.ask('dance' as Verb, 'B').code).toBe('unknown_verb');
    expect(run.ask('rerun', []).code).toBe('unknown_plan');
  });
});

describe('E: effect on the flow and downstream', () => {
  test.each([
    ['force-pass', 'waiting_upstream', 'B force_passed, C waiting_agent', 'B C'],
    ['force-pass', 'failed', 'B force_passed, C waiting_agent', 'B C'],
    ['force-pass', 'outcome_unknown', 'B force_passed, C waiting_agent', 'B C'],
    ['skip', 'waiting_upstream', 'B waiting_upstream, C waiting_upstream', ''],
    ['skip', 'waiting_agent', 'B skipped, C waiting_agent', 'B C'],
    ['skip', 'not_triggered', 'B skipped, C waiting_agent', 'B C'],
    ['skip', 'waiting_person', 'B skipped, C waiting_agent', 'B C'],
    ['skip', 'waiting_time', 'B waiting_time, C waiting_upstream', ''],
    ['skip', 'held', 'B held, C waiting_upstream', ''],
    ['start-now', 'waiting_upstream', 'B waiting_agent, C waiting_upstream', 'B'],
    ['start-now', 'waiting_time', 'B waiting_agent, C waiting_upstream', ''],
    ['start-now', 'not_triggered', 'B waiting_agent, C waiting_upstream', ''],
    ['trigger', 'not_triggered', 'B waiting_agent, C waiting_upstream', ''],
    ['hold', 'waiting_agent', 'B held, C waiting_upstream', ''],
    ['expedite', 'waiting_agent', 'B waiting_agent, C waiting_upstream', ''],
    ['retire', 'waiting_agent', 'B retired, C waiting_upstream', ''],
    ['retire', 'failed', 'B retired, C waiting_upstream', ''],
    ['confirm', 'waiting_person', 'B succeeded, C waiting_agent', ''],
    ['reject', 'waiting_person', 'B failed, C waiting_upstream', ''],
  ] as [Verb, State, string, string][])(
    '%s of a flow that is %s: %s; tainted: %s',
    (verb, state, states, tainted) => {
      const run = into[state]();
      expect(run.ask(verb, 'B').state).toBe('applied');
      expect(run.states('B', 'C')).toBe(states);
      expect(run.flagged('TAINTED')).toBe(tainted);
    },
  );

  test('what an operator did is kept as an override; what he took back ends one', () => {
    for (const [verb, state, as] of [
      ['force-pass', 'failed', {}],
      ['skip', 'waiting_upstream', {}],
      ['start-now', 'waiting_upstream', {}],
      ['trigger', 'not_triggered', undefined],
      ['hold', 'waiting_agent', undefined],
      ['expedite', 'waiting_agent', undefined],
      ['cancel', 'running', undefined],
      ['confirm', 'waiting_person', undefined],
      ['reject', 'waiting_person', undefined],
      ['resolve', 'outcome_unknown', undefined],
      ['retire', 'failed', {}],
    ] as const) {
      const run = into[state](as);
      const before = run.effects.length;
      run.ask(verb, 'B', verb === 'resolve' ? { ran: true } : {});
      const kept = run.effects.slice(before).filter((effect) => effect.t === 'override');
      expect(kept).toMatchObject([{ v: 1, kind: verb, from: null }]);
    }
    for (const [verb, back] of [
      ['skip', 'unskip'],
      ['hold', 'unhold'],
      ['retire', 'unretire'],
    ] as const) {
      const run = into.waiting_upstream();
      run.ask(verb, 'B');
      expect([...run.record.overrides]).toEqual([`1 ${verb}`]);
      run.ask(back, 'B');
      expect([...run.record.overrides]).toEqual([]);
    }
  });

  test('the instant of a trigger is stamped, by trigger and start-now alike', () => {
    for (const [verb, state] of [
      ['trigger', 'not_triggered'],
      ['start-now', 'waiting_upstream'],
    ] as const) {
      const run = into[state]();
      run.ask(verb, 'B');
      expect(run.effects).toContainEqual({ t: 'triggered', v: 1 });
    }
  });

  test('waive: the edge counts as met, the result is tainted', () => {
    const run = into.waiting_upstream();
    run.waive('A', 'B');
    expect(run.offered()).toBe('A B');
    run.run('B');
    expect(run.flagged('TAINTED')).toBe('B C');
    expect(run.offered()).toBe('A C');
  });

  test('cancel: stopping, then cancelled; downstream is not freed', () => {
    const run = into.waiting_agent();
    const lease = run.start('B');
    run.ask('cancel', 'B');
    expect([run.stateOf('B'), run.is('B', 'STOPPING'), lease.stop]).toEqual(['running', true, true]);
    run.end(lease, 'cancelled');
    expect(run.states('B', 'C')).toBe('B cancelled, C waiting_upstream');
  });

  test('retire: its edges count as invalid', () => {
    const run = into.waiting_agent();
    run.ask('retire', 'B');
    expect(run.blockers('C')).toEqual(['dependency_invalid']);
    run.ask('unretire', 'B');
    expect(run.blockers('C')).toEqual(['upstream']);
    expect(run.offered()).toBe('B');
  });

  test('early confirmation counts when its turn comes, and may be withdrawn until then', () => {
    const run = runWith(gate);
    expect(run.ask('confirm', 'B').state).toBe('applied');
    expect(run.ask('confirm', 'B').code).toBe('already_confirmed');
    expect(run.stateOf('B')).toBe('waiting_upstream');
    expect(run.ask('withdraw', 'B').state).toBe('applied');
    expect(run.ask('withdraw', 'B').code).toBe('not_confirmed');
    run.ask('confirm', 'B');
    run.run('A');
    expect(run.states('B', 'C')).toBe('B succeeded, C waiting_agent');
    expect(run.ask('withdraw', 'B').code).toBe('wrong_state');
  });

  test('resolve: it ran -> succeeded and tainted; it did not -> the next attempt, outside the budget', () => {
    const ran = into.outcome_unknown();
    ran.ask('resolve', 'B', { ran: true });
    expect(ran.states('B', 'C')).toBe('B succeeded, C waiting_agent');
    expect(ran.flagged('TAINTED')).toBe('B C');
    const not = into.outcome_unknown();
    not.ask('resolve', 'B', { ran: false });
    expect([not.stateOf('B'), not.attempt('B'), not.state.used[1]]).toEqual(['waiting_agent', 2, 0]);
    expect(not.offered()).toBe('B');
  });

  test('closed: what is running ends, nothing begins, no verb but reopen', () => {
    const run = into.waiting_agent();
    const lease = run.start('B');
    run.ask('close', []);
    run.end(lease);
    expect(run.states('B', 'C')).toBe('B succeeded, C waiting_agent');
    expect([run.offered(), run.blockers('C')]).toEqual(['', ['run_closed']]);
    expect(run.ask('hold', 'C').code).toBe('run_closed');
    run.ask('reopen', []);
    expect(run.offered()).toBe('C');
  });
});

describe('E: at a new generation', () => {
  /** Does the verb to B, lets B end, reruns it, and tells what is left of it. */
  const again = (run: SmallRun, options: { keepWaives?: boolean } = {}): SmallRun => {
    expect(run.rerun('B', 'only', options).code).toBeNull();
    expect(run.generation('B')).toBe(2);
    return run;
  };
  const inForce = (run: SmallRun): string[] =>
    [...run.record.overrides]
      .filter((override) => override.startsWith('1 '))
      .map((override) => override.slice(2));

  test('force-pass ends, the record stays', () => {
    const run = again(into.force_passed());
    expect([run.stateOf('B'), run.is('B', 'TAINTED'), inForce(run)]).toEqual(['waiting_agent', false, []]);
    expect(run.record.generations).toEqual([{ v: 1, generation: 1, result: 5 }]);
  });

  test('skip ends', () => {
    const run = again(into.skipped());
    expect([run.stateOf('B'), run.is('B', 'SKIP'), inForce(run)]).toEqual(['waiting_agent', false, []]);
  });

  test('start-now ends', () => {
    const run = into.waiting_upstream();
    run.ask('start-now', 'B');
    again(run.run('B'));
    expect([run.stateOf('B'), run.is('B', 'STARTED_NOW'), inForce(run)]).toEqual([
      'waiting_upstream',
      false,
      [],
    ]);
  });

  test('expedite ends', () => {
    const run = into.waiting_agent();
    run.ask('expedite', 'B');
    expect([run.is('B', 'EXPEDITE'), inForce(run)]).toEqual([true, ['expedite']]);
    run.run('B');
    expect([run.is('B', 'EXPEDITE'), inForce(run)]).toEqual([false, []]);
  });

  test('a waive is back, unless the plan says keepWaives', () => {
    for (const [keepWaives, blocked, force] of [
      [false, ['upstream'], []],
      [true, [], ['waive A']],
    ] as const) {
      const run = into.waiting_upstream();
      run.waive('A', 'B');
      again(run.run('B'), { keepWaives });
      expect([run.blockers('B'), inForce(run)]).toEqual([blocked, force]);
      if (keepWaives) expect(run.run('B').is('B', 'TAINTED')).toBe(true);
    }
  });

  test('hold is kept', () => {
    const run = into.waiting_agent();
    run.fail('B');
    run.ask('rerun', [], { plan: run.plan('B', 'only') });
    run.ask('hold', 'B');
    expect(run.ask('unhold', 'B').state).toBe('applied');
    run.ask('hold', 'B');
    run.ask('force-pass', 'B');
    run.rerun('B', 'only');
    expect([run.stateOf('B'), run.generation('B'), inForce(run)]).toEqual(['held', 3, ['hold']]);
  });

  test('a manual trigger is asked again if onRerun is ask, and kept if it is keep', () => {
    for (const [onRerun, state] of [
      ['ask', 'not_triggered'],
      ['keep', 'waiting_agent'],
    ] as const) {
      const run = into.not_triggered({ onRerun });
      run.ask('trigger', 'B');
      again(run.run('B'));
      expect(run.stateOf('B')).toBe(state);
    }
  });

  test('a gate with onRerun keep succeeds again at its turn with the old evidence, unless it is a root', () => {
    const below = into.succeeded(gate);
    below.rerun('A', 'downstream');
    expect(below.stateOf('B')).toBe('waiting_upstream');
    below.run('A');
    expect([below.stateOf('B'), below.generation('B')]).toEqual(['succeeded', 2]);
    expect(inForce(below)).toEqual(['confirm']);
    const root = into.succeeded(gate);
    root.rerun('B', 'downstream');
    expect([root.stateOf('B'), inForce(root)]).toEqual(['waiting_person', []]);
  });

  test('a gate with onRerun ask, and one that did not succeed, are asked again', () => {
    for (const run of [
      into.succeeded({ ...gate, onRerun: 'ask' }),
      into.force_passed(gate),
      into.failed(gate),
    ]) {
      run.rerun('A', 'downstream');
      run.run('A');
      expect(run.stateOf('B')).toBe('waiting_person');
    }
  });
});

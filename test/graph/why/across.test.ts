/** `why` over several runs: complete, and the same for everybody who asks. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseRunId } from '../../../graph/calendar/calendar.ts';
import { derive, emptyState, FLAG } from '../../../graph/run/state.ts';
import { codeOf, type Result } from '../../../graph/run/status.ts';
import { absentFlow, absentRun } from '../../../graph/why/absent.ts';
import { Across } from '../../../graph/why/across.ts';
import type { Cause } from '../../../graph/why/cause.ts';
import { type AskedRun, whyFlow } from '../../../graph/why/why.ts';
import { whyRun } from '../../../graph/why/why-run.ts';
import { runsOr, seed } from '../../support/property.ts';
import { whyFactsOf } from '../../support/run-facts.ts';
import { type FlowSpec, graphOf, subscriptionsIn } from '../../support/run-graph.ts';
import { placeOf, type RandomFlow, type RandomRun, SlowAcross } from './slow-across.ts';

const OPENED = 1_000_000;
const NOW = OPENED + 60_000;

const RESULTS: Partial<Record<RandomFlow['state'], Result>> = {
  done: 'succeeded',
  failed: 'failed',
  cancelled: 'cancelled',
};

function askedRun({ id, flows, closed }: RandomRun): AskedRun {
  const atRun = (name: string): string => name.split('/').reverse().join('@');
  const specs = flows.map(
    (flow): FlowSpec => ({
      id: flow.id,
      after: flow.after,
      foreign: flow.foreign.map(atRun),
      key: flow.key,
      ...(flow.state === 'gate' ? { kind: 'gate' as const } : {}),
    }),
  );
  const graph = graphOf(specs);
  const s = emptyState(graph, {
    openedAt: OPENED,
    now: NOW,
    graceMs: 0,
    subscriptions: subscriptionsIn(specs),
  });
  for (const flow of flows) {
    const v = graph.ids.indexOf(flow.id);
    const result = RESULTS[flow.state];
    if (result !== undefined) s.result[v] = codeOf(result);
    if (flow.state === 'retired') s.flags[v]! |= FLAG.RETIRED;
    if (flow.state === 'held') s.flags[v]! |= FLAG.HELD;
    if (flow.member) s.flags[v]! |= FLAG.MEMBER;
    if (flow.state === 'running') {
      s.flags[v]! |= FLAG.DISPATCHED;
      s.lease[v] = 2;
    }
    for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++)
      if (flow.waived.includes(graph.ids[graph.up[e]!]!)) s.waived[e] = 1;
    graph.invalid.forEach((edge, i) => {
      if (edge.v === v && flow.waived.includes(edge.from)) s.waivedInvalid[i] = 1;
    });
    s.subscriptions.list.forEach((item, i) => {
      if (item.v !== v) return;
      if (flow.waived.includes(`${item.run}/${item.from}`)) s.waivedForeign[i] = 1;
      if (flow.heard.includes(`${item.run}/${item.from}`)) s.foreignMet[i] = 1;
    });
  }
  s.closed = closed;
  derive(graph, s);
  return { graph, s, facts: whyFactsOf(graph, s, { run: id, closedAt: closed ? NOW : null }) };
}

/** The runs around one of them, as the service reads them. */
function around(runs: readonly RandomRun[], id: string): { asked: AskedRun; others: Across } {
  const asked = askedRun(runs.find((run) => run.id === id)!);
  const others = new Across(asked);
  for (;;) {
    const needed = others.needed();
    if (needed.runs.length + needed.flows.length === 0) return { asked, others };
    for (const name of needed.runs) {
      const run = runs.find((entry) => entry.id === name);
      const absent = { id: name, key: parseRunId(name)!, schedules: [], backfill: null, begins: null };
      others.give(name, run === undefined ? absentRun(absent, null, NOW) : askedRun(run));
    }
    for (const flow of needed.flows)
      others.giveAbsent(flow, absentFlow(flow.run, flow.flow, { in: 'nowhere', near: [] }, NOW));
  }
}

const told = (cause: Cause): string =>
  placeOf(
    cause.run,
    cause.code === 'loop' ? [...cause.members].sort().join('+') : cause.flow,
    cause.code,
    cause.by,
  );

const LIMIT = 10_000;

const flow = (id: string, more: Partial<RandomFlow> = {}): RandomFlow => ({
  id,
  after: [],
  foreign: [],
  state: 'waiting',
  key: false,
  waived: [],
  heard: [],
  member: false,
  ...more,
});

describe('why over several runs', () => {
  const day = (d: number): string => `day-2026-10-${String(d).padStart(2, '0')}`;

  test('a month that waits for every day of two flows: 30 days were not opened, and the gate of the one that was', () => {
    const days = Array.from({ length: 31 }, (_, i) => day(i + 1));
    const runs: RandomRun[] = [
      {
        id: 'month-2026-10',
        closed: false,
        flows: [flow('m', { foreign: days.flatMap((run) => [`${run}/d0`, `${run}/d1`]) })],
      },
      {
        id: day(7),
        closed: false,
        flows: [flow('d0', { state: 'done' }), flow('g', { state: 'gate' }), flow('d1', { after: ['g'] })],
      },
    ];
    const month = runs[0]!.flows[0]!;
    const heard = [{ ...month, heard: [`${day(7)}/d0`] }];
    const { asked, others } = around([{ ...runs[0]!, flows: heard }, runs[1]!], 'month-2026-10');
    const { causes, causeCount } = whyFlow(asked, 0, LIMIT, others);
    expect(causeCount).toBe(31);
    expect(causes.filter(({ code }) => code === 'run_not_opened')).toHaveLength(30);
    expect(causes.filter(({ code }) => code !== 'run_not_opened')).toMatchObject([
      {
        run: day(7),
        flow: 'g',
        code: 'gate_unconfirmed',
        chain: ['m', `${day(7)}/d1`, `${day(7)}/g`],
        blocks: 1,
      },
    ]);
  });

  test('what a cause in another run blocks is the union of all ways, the same for each flow that asks', () => {
    const runs: RandomRun[] = [
      {
        id: day(2),
        closed: false,
        flows: [
          flow('x', { foreign: [`${day(1)}/b`] }),
          flow('y', { foreign: [`${day(1)}/c`] }),
          flow('x2', { after: ['x'] }),
        ],
      },
      {
        id: day(1),
        closed: false,
        flows: [flow('a', { state: 'failed' }), flow('b', { after: ['a'] }), flow('c', { after: ['a'] })],
      },
    ];
    const { asked, others } = around(runs, day(2));
    for (const v of [0, 1, 2])
      expect(whyFlow(asked, v, LIMIT, others).causes).toMatchObject([{ run: day(1), flow: 'a', blocks: 3 }]);
    expect(whyRun(asked.graph, asked.s, asked.facts, { others })).toMatchObject({
      causeCount: 1,
      causes: [{ flow: 'a', blocks: 3, chain: [`${day(1)}/a`] }],
      flows: [{ causes: 1 }, { causes: 1 }, { causes: 1, first: { flow: 'a', code: 'upstream_failed' } }],
    });
  });

  test('counts, lines and the sentence of a run agree with the answers of its flows', () => {
    const runs: RandomRun[] = [
      {
        id: day(2),
        closed: false,
        flows: [
          flow('z', { foreign: [`${day(1)}/b`, `${day(1)}/c`] }),
          flow('w', { foreign: [`${day(1)}/b2`] }),
        ],
      },
      {
        id: day(1),
        closed: false,
        flows: [
          flow('a', { state: 'failed' }),
          flow('a2', { state: 'held' }),
          flow('b', { after: ['a'] }),
          flow('c', { after: ['a'] }),
          flow('b2', { after: ['a', 'a2'] }),
        ],
      },
    ];
    const { asked, others } = around(runs, day(2));
    const answer = whyRun(asked.graph, asked.s, asked.facts, { others });
    expect(answer).toMatchObject({ causeCount: 2, flows: [{ causes: 1 }, { causes: 2 }] });
    expect(answer.text.en).toContain('2 flows of day-2026-10-02 are open, by 2 final causes.');
  });
});

const STATES: RandomFlow['state'][] = [
  ...(['waiting', 'waiting', 'waiting', 'waiting', 'done', 'done', 'failed'] as const),
  ...(['cancelled', 'retired', 'held', 'running', 'gate'] as const),
];
const RUNS = ['day-2026-10-30', 'day-2026-10-31', 'month-2026-10', 'month-2026-11'];
const ABSENT = 'day-2026-10-29';

/** Two runs in a circle, with a way to members of rerun plans that meets none. */
const CIRCLE_WITH_PLANS = [596_554, 268_565, 0, 932_666, 678_965, 6_614, 0, 992_099];

/** The shortest way to a cause in another run leads over members of a rerun plan. */
const WAY_OVER_PLAN = [165_501, 591_241, 681_661, 155_827, 367_717, 382_622, 589_121, 563_744];

/** A flow is a cause, and so is the edge to a flow of the same name in another run. */
const SAME_NAME = [
  241_040, 400_546, 0, 407_613, 599_254, 226_803, 0, 394_011, 0, 591_559, 0, 598_738, 0, 174_950, 0,
];

/** Numbers out of which an estate is made, so that shrinking makes it smaller. */
const Numbers = fc.array(fc.nat(1_000_000), { minLength: 4, maxLength: 40 });

function estateOf(numbers: readonly number[]): RandomRun[] {
  let at = 0;
  const next = (n: number): number => {
    const value = numbers[at++ % numbers.length]! + at * 7_919;
    return value % n;
  };
  const count = 2 + next(3);
  const sizes = RUNS.slice(0, count).map(() => 1 + next(6));
  const runs = RUNS.slice(0, count).map((id, r): RandomRun => {
    const hasLoop = next(4) === 0;
    const flows = Array.from({ length: sizes[r]! }, (_, i): RandomFlow => {
      const after = Array.from({ length: next(3) }, () => `F${next(Math.max(1, i))}`).filter(
        (it) => it !== `F${i}`,
      );
      if (next(12) === 0) after.push('GHOST');
      // Two neighbours that wait for each other.
      if (hasLoop && sizes[r]! > 1 && (i === 0 || i === 1)) after.push(`F${1 - i}`);
      const foreign = Array.from({ length: next(3) }, (): string => {
        const other = next(12) === 0 ? ABSENT : RUNS[next(count)]!;
        return `${other}/F${next(7)}`;
      }).filter((it) => !it.startsWith(`${id}/`));
      const state = STATES[next(STATES.length)]!;
      return flow(`F${i}`, {
        after: [...new Set(after)],
        foreign: [...new Set(foreign)],
        state,
        key: next(5) === 0,
        waived: next(6) === 0 ? [...after, ...foreign].slice(0, 1) : [],
        member: !hasLoop && state !== 'done' && state !== 'retired' && next(6) === 0,
      });
    });
    return { id, closed: next(9) === 0, flows };
  });
  const isDone = (name: string): boolean =>
    runs.some((run) => run.flows.some((it) => `${run.id}/${it.id}` === name && it.state === 'done'));
  return runs.map((run) => ({
    ...run,
    flows: run.flows.map((it) => ({ ...it, heard: it.foreign.filter((up) => isDone(up) && next(3) > 0) })),
  }));
}

test('random estates of two to four runs agree with the slow answer, for each flow that asks', () => {
  let crossing = 0;
  let many = 0;
  fc.assert(
    fc.property(Numbers, (numbers) => {
      const runs = estateOf(numbers);
      const slow = new SlowAcross(runs);
      for (const run of runs) {
        const { asked, others } = around(runs, run.id);
        const { graph, s, facts } = asked;
        const all = whyRun(graph, s, facts, { limit: LIMIT, others, chains: true });
        const ofAll = new Map<string, number>();
        const open = slow.open(run.id);
        expect(all.flows.map((line) => line.flow).toSorted()).toEqual([...open].sort());
        for (const line of all.flows) {
          const answer = whyFlow(asked, graph.ids.indexOf(line.flow), LIMIT, others);
          const wanted = slow
            .why(run.id, line.flow)
            .map((it) => `${it.place} blocks ${it.blocks} in ${it.length}`);
          const found = answer.causes.map((it) => `${told(it)} blocks ${it.blocks} in ${it.chain.length}`);
          expect(found.toSorted()).toEqual(wanted.toSorted());
          expect([line.flow, answer.causeCount, line.causes]).toEqual([
            line.flow,
            wanted.length,
            wanted.length,
          ]);
          const [first] = answer.causes;
          expect(line.first).toEqual(first === undefined ? null : { flow: first.flow, code: first.code });
          for (const cause of answer.causes) {
            ofAll.set(told(cause), cause.blocks);
            if (cause.run !== run.id) crossing++;
          }
          if (answer.causes.length > 2) many++;
        }
        // A run in which everything has ended still says that it is closed.
        if (open.length > 0) expect(new Map(all.causes.map((it) => [told(it), it.blocks]))).toEqual(ofAll);
      }
    }),
    { numRuns: runsOr(5_000), seed, examples: [[CIRCLE_WITH_PLANS], [WAY_OVER_PLAN], [SAME_NAME]] },
  );
  expect(crossing).toBeGreaterThan(100);
  expect(many).toBeGreaterThan(100);
}, 3_600_000);

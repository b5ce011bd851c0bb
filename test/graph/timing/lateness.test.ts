import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CriticalPath, criticalPath, type PieceKind } from '../../../graph/timing/critical-path.ts';
import { type Lateness, lateness, type Part, referenceRun } from '../../../graph/timing/lateness.ts';
import { latenessText } from '../../../graph/timing/lateness-text.ts';
import { usualRun } from '../../../graph/timing/usual-run.ts';
import { at, OPEN, type Story, storyOf, type Told } from '../../support/path-facts.ts';
import { partOf, runsOr, seed } from '../../support/property.ts';
import type { FlowSpec } from '../../support/run-graph.ts';
import { anyEstate } from '../any-estate.ts';
import { type Estate, Execution, OPENED } from '../run/execution.ts';

// All branches of the rules that 5,000 runs reach are reached by the first 2,000.
const numRuns = runsOr(2_000);

const A: FlowSpec = { id: 'A' };
const B: FlowSpec = { id: 'B', after: ['A'] };

/** Sent, started and done in these minutes after the opening, released when it was sent. */
const ran = (sent: number, started: number, ended: number): Told => ({
  released: sent,
  tries: [[sent, started, ended, 'succeeded']],
  result: ['succeeded', ended],
});

/** The periods began `open` minutes before the runs were opened. */
function compare(today: Story, then: Story, target: string, open = { today: 0, before: 0 }): Lateness | null {
  const [a, b] = [storyOf(today), storyOf(then)];
  const start = (minutes: number): number => OPEN - minutes * MIN;
  const reference = referenceRun(b, start(open.before));
  return lateness(a, a.facts.vertexOf(target), start(open.today), reference);
}
const MIN = 60_000;
const said = (other: Lateness | null): (string | number | null)[][] =>
  (other?.parts ?? []).map(({ flow, kind, ms, upstream }) =>
    upstream === null ? [flow, kind, ms / MIN] : [flow, kind, ms / MIN, upstream],
  );

describe('lateness against a reference', () => {
  test('a longer run is the whole of it', () => {
    const it = compare(
      { specs: [A, B], flows: { A: ran(0, 0, 30), B: ran(30, 30, 40) } },
      { specs: [A, B], flows: { A: ran(0, 0, 10), B: ran(10, 10, 20) } },
      'B',
    );
    expect(it).toMatchObject({ target: 'B', expectedAt: at(20), total: 20 * MIN, endedAt: at(40) });
    expect(said(it)).toEqual([['A', 'run', 20]]);
    expect(it!.mainCause).toMatchObject({ flow: 'A', kind: 'run', today: 30 * MIN, reference: 10 * MIN });
  });

  test('a branch that had slack in the reference counts less than it grew: the float is given back', () => {
    const specs: FlowSpec[] = [A, { id: 'C' }, { id: 'B', after: ['A', 'C'] }];
    const it = compare(
      { specs, flows: { A: ran(0, 0, 30), C: ran(0, 0, 15), B: ran(30, 30, 40) } },
      { specs, flows: { A: ran(0, 0, 10), C: ran(0, 0, 15), B: ran(15, 15, 25) } },
      'B',
    );
    expect(it!.total).toBe(15 * MIN);
    expect(said(it)).toEqual([
      ['A', 'run', 20],
      ['B', 'float', -5, 'A'],
    ]);
  });

  test('what took less time is listed beside what took more', () => {
    const it = compare(
      { specs: [A, B], flows: { A: ran(0, 5, 30), B: ran(30, 30, 32) } },
      { specs: [A, B], flows: { A: ran(0, 0, 10), B: ran(10, 10, 20) } },
      'B',
    );
    expect(said(it)).toEqual([
      ['A', 'run', 15],
      ['A', 'waiting_agent', 5],
      ['B', 'run', -8],
    ]);
    expect(it!.total).toBe(12 * MIN);
  });

  test('a flow that the reference lacks counts whole, as new', () => {
    const N: FlowSpec = { id: 'N', after: ['A'] };
    const it = compare(
      {
        specs: [A, N, { id: 'B', after: ['N'] }],
        flows: { A: ran(0, 0, 10), N: ran(10, 12, 40), B: ran(40, 40, 50) },
      },
      { specs: [A, B], flows: { A: ran(0, 0, 10), B: ran(10, 10, 20) } },
      'B',
    );
    expect(said(it)).toEqual([['N', 'new', 30]]);
  });

  test('a run that was opened later is late by that', () => {
    const flows = { A: ran(0, 0, 10) };
    const it = compare({ specs: [A], flows }, { specs: [A], flows }, 'A', { today: 90, before: 30 });
    expect(said(it)).toEqual([[null, 'opening', 60]]);
    expect(it!.total).toBe(60 * MIN);
  });

  test('of a target that is not done now counts as the end; what is still to come counts as early', () => {
    const it = compare(
      { specs: [A, B], flows: { A: { released: 0, tries: [[0, 0, null, null]], lease: 2 } }, now: 25 },
      { specs: [A, B], flows: { A: ran(0, 0, 10), B: ran(10, 10, 20) } },
      'B',
    );
    expect(it).toMatchObject({ endedAt: null, total: 5 * MIN });
    expect(said(it)).toEqual([
      ['A', 'run', 15],
      ['B', 'run', -10],
    ]);
  });

  test('without the target in the reference there is nothing to be late against', () => {
    const today: Story = { specs: [A, B], flows: { A: ran(0, 0, 1), B: ran(1, 1, 2) } };
    expect(compare(today, { specs: [A], flows: { A: ran(0, 0, 1) } }, 'B')).toBeNull();
    expect(compare(today, { specs: [A, B], flows: { A: ran(0, 0, 1) } }, 'B')).toBeNull();
  });
});

/** Against reference times, in minutes after the opening; a flow without one ends its own duration after what is above it. */
function againstTimes(
  today: Story,
  target: string,
  due: Record<string, number>,
  lasts: Record<string, number>,
  opens = 0,
): Lateness | null {
  const story = storyOf(today);
  const { graph, facts, s } = story;
  const column = (of: (id: string) => number | undefined): Float64Array =>
    Float64Array.from(graph.ids, (id) => of(id) ?? 0);
  const reference = usualRun({
    graph,
    startAt: OPEN,
    openedAt: at(opens),
    startTime: s.start,
    vertexOf: facts.vertexOf,
    dueAt: column((id) => (due[id] === undefined ? 0 : at(due[id]))),
    durations: column((id) => (lasts[id] ?? 0) * MIN),
  });
  return lateness(story, facts.vertexOf(target), OPEN, reference);
}

describe('lateness against reference times', () => {
  test('what runs as long as expected and ends when it is due is not late at all', () => {
    const flows = { A: ran(0, 0, 10), B: ran(10, 10, 20) };
    const it = againstTimes({ specs: [A, B], flows }, 'B', { B: 20 }, { A: 10, B: 10 });
    expect(it).toMatchObject({ total: 0, expectedAt: at(20), parts: [] });
  });

  test('the flow that ran longer than expected is the main cause; room before the reference time is given back', () => {
    const it = againstTimes(
      { specs: [A, B], flows: { A: ran(0, 0, 40), B: ran(40, 41, 55) } },
      'B',
      { B: 30 },
      { A: 10, B: 15 },
    );
    expect(it).toMatchObject({ total: 25 * MIN, expectedAt: at(30) });
    expect(said(it)).toEqual([
      ['A', 'run', 30],
      ['B', 'float', -5, 'A'],
      ['B', 'run', -1],
      ['B', 'waiting_agent', 1],
    ]);
    expect(it!.mainCause).toMatchObject({ flow: 'A', today: 40 * MIN, reference: 10 * MIN });
  });

  test('an upstream that is due after the usual start of the flow below it counts as just in time', () => {
    const it = againstTimes(
      { specs: [A, B], flows: { A: ran(0, 0, 20), B: ran(20, 20, 30) } },
      'B',
      { A: 25, B: 30 },
      { A: 10, B: 10 },
    );
    expect(it!.total).toBe(0);
    expect(said(it)).toEqual([
      ['A', 'float', -10],
      ['A', 'run', 10],
    ]);
  });

  test('a run that is opened later than usual is late by that', () => {
    const it = againstTimes({ specs: [A], flows: { A: ran(0, 0, 10) } }, 'A', { A: 5 }, { A: 10 }, -5);
    expect(it!.total).toBe(5 * MIN);
    expect(said(it)).toEqual([[null, 'opening', 5]]);
  });
});

describe('the sentence', () => {
  const names = (flow: string) => (flow === 'A' ? { en: 'Load bills', zh: '装载账单' } : null);
  const sentence = (today: Story, before: Story) =>
    latenessText(compare(today, before, 'B')!, 'month-2026-09', names);

  test('names the largest parts first, in both languages', () => {
    const text = sentence(
      { specs: [A, B], flows: { A: ran(0, 0, 130), B: ran(130, 135, 145) } },
      { specs: [A, B], flows: { A: ran(0, 0, 10), B: ran(10, 10, 20) } },
    );
    expect(text).toEqual({
      en: 'B is 2 h 5 min later than in month-2026-09: A (Load bills) ran longer (+2 h); B waited for an agent (+5 min).',
      zh: 'B 比 month-2026-09 晚 2 小时 5 分钟：A（装载账单）运行变长（+2 小时）；B 等待代理（+5 分钟）。',
    });
  });

  test('says so far of what is not done, and nothing of parts that do not count', () => {
    const text = sentence(
      {
        specs: [A, B],
        flows: { A: { released: 0, tries: [[0.1, 0.1, null, null]], lease: 2 } },
        now: 120,
      },
      { specs: [A, B], flows: { A: ran(0, 0, 10), B: ran(10, 10, 10.5) } },
    );
    expect(text).toEqual({
      en: 'B is 1 h 49 min later than in month-2026-09 so far: A (Load bills) ran longer (+1 h 49 min).',
      zh: 'B 比 month-2026-09 目前已晚 1 小时 49 分钟：A（装载账单）运行变长（+1 小时 49 分钟）。',
    });
  });

  test('a clean run is earlier than one in which something was redone, and says so', () => {
    const redone = {
      past: [
        {
          released: 0,
          result: ['succeeded', 10] as const,
          until: 30,
          tries: [[0, 0, 10, 'succeeded', 0] as const],
        },
      ],
      ...ran(30, 30, 40),
    };
    const text = sentence(
      { specs: [A, B], flows: { A: ran(0, 0, 10), B: ran(10, 10, 20) } },
      { specs: [A, B], flows: { A: redone, B: ran(40, 40, 50) } },
    );
    expect(text).toEqual({
      en: 'B is 30 min earlier than in month-2026-09: A (Load bills) was redone there (30 min).',
      zh: 'B 比 month-2026-09 早 30 分钟：A（装载账单）在该次运行中被重做（30 分钟）。',
    });
  });

  test('speaks of the reference time where there is no run to compare with', () => {
    const story = { specs: [A, B], flows: { A: ran(0, 0, 130), B: ran(130, 130, 140) } };
    const told = (due: number) => latenessText(againstTimes(story, 'B', { B: due }, {})!, null, names);
    expect(told(20).en).toMatch(/^B is 2 h later than its reference time: A \(Load bills\) ran longer /);
    expect(told(20).zh).toMatch(/^B 比参考时间晚 2 小时：/);
    expect(told(140)).toEqual({ en: 'B is at its reference time.', zh: 'B 与参考时间一致。' });
    expect(told(145)).toEqual({
      en: 'B is 5 min earlier than its reference time.',
      zh: 'B 比参考时间早 5 分钟。',
    });
  });

  test('gives no reasons for what is early or as it was', () => {
    const flows = { A: ran(0, 0, 10), B: ran(10, 10, 20) };
    const same = sentence({ specs: [A, B], flows }, { specs: [A, B], flows });
    expect(same).toEqual({ en: 'B is as in month-2026-09.', zh: 'B 与 month-2026-09 一致。' });
    const early = sentence(
      { specs: [A, B], flows: { A: ran(0, 0, 2), B: ran(2, 2, 15) } },
      { specs: [A, B], flows },
    );
    expect(early).toEqual({
      en: 'B is 5 min earlier than in month-2026-09.',
      zh: 'B 比 month-2026-09 早 5 分钟。',
    });
  });
});

describe('lateness of random executions', () => {
  test(`the parts add up to the total, and each is what the two paths say of its flow (seed ${seed})`, {
    timeout: 600_000,
  }, () => {
    const seen = new Map<string, number>();
    let targets = 0;
    fc.assert(
      fc.property(anyEstate, anyEstate, fc.nat(500), fc.nat(500), (today, then, early, earlier) => {
        const [a, b] = [new Execution(today, { notes: false }), new Execution(then, { notes: false })];
        const [s, facts, t, factsThen] = [a.state(), a.facts(), b.state(), b.facts()];
        const reference = referenceRun({ graph: b.graph, s: t, facts: factsThen }, OPENED - earlier);
        for (let v = 0; v < a.graph.n; v++) {
          const it = lateness({ graph: a.graph, s, facts }, v, OPENED - early, reference);
          const w = factsThen.vertexOf(a.graph.ids[v]!);
          const ends = w >= 0 ? criticalPath(b.graph, t, factsThen, w).endedAt : null;
          expect(it === null).toBe(ends === null);
          if (it === null) continue;
          targets++;
          const path = criticalPath(a.graph, s, facts, v);
          const end = path.endedAt ?? path.now;
          expect(it.total).toBe(end - (OPENED - early) - (ends! - (OPENED - earlier)));
          expect(sum(it.parts)).toBe(it.total);
          expect(it.flows).toEqual(path.flows);
          agreesWithPaths(it, path, (flow) => {
            const u = factsThen.vertexOf(flow);
            if (u < 0) return null;
            // The test below, a run against itself, shows which end of a flow that was redone counts.
            return factsThen.past.has(u) ? 'redone' : criticalPath(b.graph, t, factsThen, u);
          });
          for (const { kind } of it.parts) seen.set(kind, (seen.get(kind) ?? 0) + 1);
        }
      }),
      { seed, numRuns },
    );
    console.log(
      `${numRuns} pairs, ${targets} targets, parts: ${[...seen].map(([k, n]) => `${k} ${n}`).join(', ')}`,
    );
    for (const kind of ['run', 'new', 'float', 'opening', 'rework', 'held', 'waiting_person'])
      expect(seen.get(kind) ?? 0, kind).toBeGreaterThan(numRuns / 20);
  });

  test('a run is not late against itself, part by part', () => {
    let compared = 0;
    fc.assert(
      fc.property(anyEstate, (estate: Estate) => {
        const it = new Execution(estate, { notes: false });
        const [s, facts] = [it.state(), it.facts()];
        const at = { graph: it.graph, s, facts };
        const reference = referenceRun(at, OPENED);
        for (let v = 0; v < it.graph.n; v++) {
          const own = lateness(at, v, OPENED, reference);
          // A flow that the path enters twice counts once.
          const plain = own !== null && new Set(own.flows).size === own.flows.length;
          if (!plain) continue;
          compared++;
          expect(own.parts).toEqual([]);
          expect(own.total).toBe(0);
        }
      }),
      { seed, numRuns: partOf(numRuns, 10) },
    );
    expect(compared).toBeGreaterThan(numRuns / 20);
  });
});

describe('lateness of random executions against reference times', () => {
  test(`the parts add up, none is new, and none gives back room that there was not (seed ${seed})`, {
    timeout: 600_000,
  }, () => {
    const seen = new Map<string, number>();
    const times = fc.array(fc.tuple(fc.boolean(), fc.nat(200), fc.nat(30)), { minLength: 12, maxLength: 12 });
    fc.assert(
      fc.property(anyEstate, times, fc.nat(60), (estate, drawn, early) => {
        const it = new Execution(estate, { notes: false });
        const { graph } = it;
        const [s, facts] = [it.state(), it.facts()];
        const column = (of: (v: number) => number): Float64Array =>
          Float64Array.from(graph.ids, (_, v) => of(v));
        const openedAt = OPENED - early;
        const dueAt = column((v) => (drawn[v % 12]![0] ? OPENED + drawn[v % 12]![1] : 0));
        const durations = column((v) => drawn[v % 12]![2]);
        const reference = usualRun({
          graph,
          startAt: OPENED,
          openedAt,
          dueAt,
          durations,
          startTime: s.start,
          vertexOf: facts.vertexOf,
        });
        /** The slow obvious way. */
        const lasts = (v: number): number => (graph.attrOf(v).runner === 'engine' ? 0 : durations[v]!);
        const expectedEnd = (v: number): number => {
          if (dueAt[v] !== 0) return dueAt[v]!;
          let free = Math.max(openedAt, s.start[v]!);
          for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++)
            if (graph.loopEdge[e] === 0) free = Math.max(free, expectedEnd(graph.up[e]!));
          return free + lasts(v);
        };
        for (let v = 0; v < graph.n; v++) {
          const late = lateness({ graph, s, facts }, v, OPENED, reference)!;
          const path = criticalPath(graph, s, facts, v);
          expect(late.expectedAt).toBe(expectedEnd(v));
          expect(late.total).toBe((path.endedAt ?? path.now) - expectedEnd(v));
          expect(sum(late.parts)).toBe(late.total);
          expect(late.flows).toEqual(path.flows);
          for (const part of late.parts) {
            seen.set(part.kind, (seen.get(part.kind) ?? 0) + 1);
            expect(part.kind).not.toBe('new');
            if (part.kind === 'float') expect(part.ms).toBeLessThan(0);
            if (part.kind === 'run' || part.kind === 'waiting_person')
              expect(part.reference).toBeLessThanOrEqual(lasts(facts.vertexOf(part.flow!)));
          }
        }
      }),
      { seed, numRuns: partOf(numRuns, 4) },
    );
    for (const kind of ['run', 'float', 'opening', 'rework', 'waiting_time', 'waiting_person'])
      expect(seen.get(kind) ?? 0, kind).toBeGreaterThan(50);
  });
});

const sum = (parts: readonly Part[]): number => parts.reduce((total, { ms }) => total + ms, 0);

/** What each flow's parts say is what the critical paths of the two runs say, looked up there flow by flow. */
function agreesWithPaths(
  it: Lateness,
  today: CriticalPath,
  pathThen: (flow: string) => CriticalPath | 'redone' | null,
): void {
  const ofToday = (flow: string, kind: PieceKind | null): number =>
    today.pieces.reduce(
      (ms, p) => ms + (p.flow === flow && (kind === null || p.kind === kind) ? p.ms : 0),
      0,
    );
  for (const part of it.parts) {
    expect(part.ms).toBe(part.today - part.reference);
    if (part.flow === null || part.kind === 'float') continue;
    const then = pathThen(part.flow);
    if (then === 'redone') continue;
    if (part.kind === 'new') {
      expect(then === null || then.endedAt === null).toBe(true);
      expect(part.today).toBe(ofToday(part.flow, null));
      continue;
    }
    const kind = part.kind as PieceKind;
    expect(part.today).toBe(ofToday(part.flow, kind));
    // The reference's own time of the flow: the pieces at the end of its own path.
    let own = 0;
    for (const piece of then!.pieces.toReversed()) {
      if (piece.flow !== part.flow) break;
      if (piece.kind === kind) own += piece.ms;
    }
    expect(part.reference).toBe(own);
  }
}

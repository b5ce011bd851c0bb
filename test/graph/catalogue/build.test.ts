import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkCatalogue } from '../../../graph/catalogue/check.ts';
import { components, shortestWayRound, type Upstreams } from '../../../graph/compiled/loops.ts';
import { runsOr, seed } from '../../support/property.ts';

const FRAME = `calendars: [{ id: china }]
connections: [{ id: yt, platform: yt }, { id: mpp, platform: mpp }, { id: mpp2, platform: mpp }]
pools: [{ id: bulk, size: 4 }]
procedures: [{ id: P04, names: { en: Chain, zh: 链 }, owner: dwd, cycle: month }]
`;

/** One flow a line: `A: kind: gate, person: { role: r }`. Kind, names, cycle and platform are filled unless given. */
function flows(lines: Record<string, string>): string {
  const entries = Object.entries(lines).map(([id, more]) => {
    const outer = more.replaceAll(/\{[^{}]*\}/g, '');
    const given = (field: string, otherwise: string) =>
      new RegExp(`(^|, )${field}:`).test(outer) ? '' : `, ${otherwise}`;
    const kind = given('kind', 'kind: job');
    const runs =
      /kind: (gate|notify|check)/.test(more) || /noprogram/.test(more)
        ? ''
        : given('program', 'program: { type: noop }');
    const platform = runs === '' && kind === '' ? '' : given('platform', 'platform: yt');
    const rest = more.replace('noprogram', '');
    return `  - { id: ${id}, names: { en: ${id}, zh: 流程 }${kind}${given('cycle', 'cycle: month')}${runs}${platform}${rest === '' ? '' : `, ${rest}`} }`;
  });
  return `flows:\n${entries.join('\n')}\n`;
}

const check = (text: string, mode: 'apply' | 'import' = 'apply') =>
  checkCatalogue(
    [
      { path: 'frame.yaml', text: FRAME },
      { path: 'f.yaml', text },
    ],
    mode,
  );

const told = (text: string, mode: 'apply' | 'import' = 'apply') =>
  check(text, mode).problems.map(
    ({ code, severity, id, message }) => `${severity} ${code} ${id}: ${message.en}`,
  );

const flow = (text: string, id: string) => check(text).flows.find((f) => f.id === id)!;

const DISTRIBUTION = `distributions:
  - id: Dist
    names: { en: Result table, zh: 结果表 }
    cycle: month
    from: { connection: mpp, table: shfin.r }
    to: { connection: yt, table: SHFIN.R }
    columns: [a, b]
    periodColumn: a
    where: b > 0
    after: [Gate]
    trigger: manual
    startAt: +1 month, 08:00
    deadline: +1 month, 12:00
    aliases: [OldDist]
    reads: [shfin.other]
    key: true
`;

describe('kinds and their runners', () => {
  test.each([
    ['kind: job', 'agent'],
    ['kind: interface, program: { type: sql, file: a.sql, connection: yt }', 'agent'],
    ['kind: gate, person: { role: billing }', 'person'],
    ['kind: check, person: { role: billing }', 'person'],
    ['kind: check, program: { type: sql, file: a.sql, connection: yt }', 'agent'],
    ['kind: notify, notice: { to: dwd, en: done, zh: 完成 }', 'engine'],
  ])('%s is run by: %s', (line, runner) => {
    const text = flows({ A: line.replace('kind: job', '') });
    expect(told(text)).toEqual([]);
    expect(flow(text, 'A').runner).toBe(runner);
  });

  test('the platform is the one written, else that of the connection', () => {
    const text = flows({
      A: 'program: { type: sql, file: a.sql, connection: mpp }, platform: yt',
      B: 'kind: interface, program: { type: sql, file: a.sql, connection: mpp }',
    });
    expect(told(text)).toEqual([]);
    expect(flow(text, 'A').platform).toBe('yt');
    expect(flow(text, 'B').platform).toBe('mpp');
  });

  test('a SQL program without connection takes the only one of its platform', () => {
    expect(flow(flows({ A: 'program: { type: sql, file: a.sql }' }), 'A').program).toMatchObject({
      connection: 'yt',
    });
    expect(told(flows({ A: 'program: { type: sql, file: a.sql }, platform: mpp' }))).toEqual([
      'error missing_connection A: which connection does A use? Platform mpp has 2',
    ]);
  });

  test.each<[string, string, string]>([
    ['a job without program', 'noprogram', "missing_program A: a job needs 'program'"],
    ['a check with neither', 'kind: check', "missing_program A: a check needs 'program or person'"],
    ['a gate without person', 'kind: gate', "missing_person A: a gate needs 'person'"],
    ['a notify without notice', 'kind: notify', "missing_notice A: a notify needs 'notice'"],
    ['a job with a person', 'person: { role: r }', "bad_combination A: 'person' means nothing for a job"],
    [
      'a gate with a program',
      'kind: gate, person: { role: r }, program: { type: noop }',
      "bad_combination A: 'program' means nothing for a gate that no agent runs",
    ],
    [
      'a job with an interface',
      "interface: { no: '04113' }",
      "bad_combination A: 'interface' is for interfaces",
    ],
    ['a job with everyMs', 'everyMs: 1000', "bad_combination A: 'everyMs' is for checks that an agent runs"],
    [
      'trigger event without event',
      'trigger: event',
      "missing_field A: trigger event needs 'event', the name of the event",
    ],
    ['an event without trigger', 'event: e', "bad_combination A: 'event' goes with trigger event only"],
    ['trigger time without start', 'trigger: time', "missing_field A: trigger time needs 'startAt'"],
    [
      'an agent flow without platform',
      'kind: interface, program: { type: shell, command: [x] }',
      "missing_platform A: which platform's agents run A? Give platform, or a connection that has one",
    ],
    [
      'a time that is none',
      'deadline: "+1 day, 25:00"',
      "bad_moment A: '+1 day, 25:00': there is no time 25:00:00",
    ],
    [
      'a reminder at no time',
      'kind: gate, person: { role: r, remindAt: ["+1 day, 10:00", "+1 day, day 2, 10:00"] }',
      'bad_moment A: \'+1 day, day 2, 10:00\': "day" goes with months only: "+1 month, day 1, 23:59"',
    ],
    [
      'its own period many times',
      'period: everyDayOfMonth',
      'bad_period_mapping A: a flow has one period of its own; everyDayOfMonth is for edges',
    ],
    [
      'a day flow with the last day of a month',
      'cycle: day, period: lastDayOfMonth',
      'bad_period_mapping A: lastDayOfMonth needs a month flow, this is a day flow',
    ],
    [
      'a procedure nobody knows',
      'procedure: P4',
      "unknown_reference A: there is no procedure 'P4'; did you mean 'P04'?",
    ],
    [
      'a pool nobody knows',
      'uses: [{ pool: bulkk }]',
      "unknown_reference A: there is no pool 'bulkk'; did you mean 'bulk'?",
    ],
    [
      'a calendar nobody knows',
      'calendar: chian',
      "unknown_reference A: there is no calendar 'chian'; did you mean 'china'?",
    ],
    [
      'a connection nobody knows',
      'program: { type: sql, file: a.sql, connection: y }',
      "unknown_reference A: there is no connection 'y'; did you mean 'yt'?",
    ],
    [
      'a flow nobody knows before a force-pass',
      'forcePassRequires: [Bee]',
      "unknown_reference A: there is no flow 'Bee'",
    ],
  ])('%s is a problem', (_, line, want) => {
    expect(told(flows({ A: line }))).toEqual([`error ${want}`]);
  });

  test('what only looks odd is a warning, and the catalogue may be applied', () => {
    const { problems, ok } = check(
      flows({ A: 'uses: [{ pool: bulk, n: 5 }]', B: 'cycle: day, procedure: P04', C: 'after: [A, A]' }),
    );
    expect(problems.map(({ code, severity }) => [code, severity])).toEqual([
      ['bad_combination', 'warning'],
      ['bad_combination', 'warning'],
      ['duplicate_edge', 'warning'],
    ]);
    expect(ok).toBe(true);
  });

  test.each([
    ['+08:00', '+08:00'],
    ['asia/shanghai', 'Asia/Shanghai'],
    ['ASIA/SHANGHAI', 'Asia/Shanghai'],
    ['utc', 'UTC'],
    ['prc', 'Asia/Shanghai'],
    ['PRC', null],
    ['Etc/GMT-8', null],
    ['Asia/Calcutta', null],
  ])('a time zone is a name that databases and shells read alike: %s', (zone, like) => {
    const { problems } = check(`calendars: [{ id: here, timeZone: "${zone}" }]`);
    expect(problems.map(({ code }) => code)).toEqual(like === null ? [] : ['bad_time_zone']);
    if (like !== null && like !== zone) expect(problems[0]!.message.en).toContain(`like ${like}`);
  });

  test.each<[string, string, [string, string, number, number][]]>([
    [
      'a range that ends before it begins',
      'holidays: [{ from: 2027-01-01, to: 2026-01-03, names: { en: New Year, zh: 元旦 } }]',
      [['error', 'bad_combination', 1, 71]],
    ],
    [
      'a range of a year',
      'holidays: [{ from: 2026-01-01, to: 2027-01-03, names: { en: New Year, zh: 元旦 } }]',
      [['warning', 'bad_combination', 1, 71]],
    ],
    ['a day twice', 'holidays: [2026-10-01, 2026-10-01]', [['warning', 'bad_combination', 1, 59]]],
    [
      'a day inside a range',
      'holidays: [2026-10-03, { from: 2026-10-01, to: 2026-10-07, names: { en: N, zh: 国 } }]',
      [['warning', 'bad_combination', 1, 47]],
    ],
    [
      'a make-up day inside a holiday',
      'holidays: [2026-10-10], makeUpDays: [2026-10-10]',
      [['warning', 'bad_combination', 1, 73]],
    ],
    ['a make-up day twice', 'makeUpDays: [2026-10-10, 2026-10-10]', [['warning', 'bad_combination', 1, 61]]],
    ['a make-up day on a work day', 'makeUpDays: [2026-10-09]', [['warning', 'bad_combination', 1, 49]]],
    ['a day that does not exist', 'holidays: [2026-02-30]', [['error', 'invalid_value', 1, 47]]],
    ['a make-up day that does not exist', 'makeUpDays: [2026-13-01]', [['error', 'invalid_value', 1, 49]]],
    [
      'a blackout that begins on a day that does not exist',
      'blackouts: [{ from: 2026-02-30 10:00, to: 2026-03-01 }]',
      [['error', 'invalid_value', 1, 56]],
    ],
    [
      'a blackout at hour 24',
      'blackouts: [{ from: 2026-02-27 24:00, to: 2026-03-01 }]',
      [['error', 'invalid_value', 1, 56]],
    ],
    [
      'a blackout that ends before it begins',
      'blackouts: [{ from: 2026-03-01, to: 2026-02-28 }]',
      [['error', 'bad_combination', 1, 72]],
    ],
    ['a week without work days', 'weekend: [1, 2, 3, 4, 5, 6, 7]', [['warning', 'bad_combination', 1, 45]]],
    [
      'a proper calendar',
      'holidays: [{ from: 2026-10-01, to: 2026-10-07, names: { en: N, zh: 国 } }, 2026-10-08], makeUpDays: [2026-10-10]',
      [],
    ],
  ])('a calendar with %s', (_, text, want) => {
    const { problems } = check(`calendars: [{ id: holidayCalendar, ${text} }]`);
    expect(problems.map(({ severity, code, line, column }) => [severity, code, line, column])).toEqual(want);
  });

  test('a deadline before the start time, and moments further ahead than 40 years', () => {
    expect(
      told(
        flows({
          A: 'startAt: "+1 month, day 2, 02:00", deadline: "+1 month, day 1, 23:59"',
          B: 'startAt: "+1 month, day 2, 02:00", deadline: "+1 month, day 3, 23:59"',
          C: 'deadline: "+481 month, day 1, 02:00"',
          D: 'startAt: "open + 99999999 h"',
        }),
      ),
    ).toEqual([
      "warning bad_combination A: the deadline '+1 month, day 1, 23:59' comes before the start time '+1 month, day 2, 02:00': it is always missed",
      "error bad_moment C: '+481 month, day 1, 02:00': it lies more than 40 years after the period",
      "error bad_moment D: 'open + 99999999 h': it lies more than 40 years after the period",
    ]);
  });

  test('a time zone, a schedule and its calendar are checked', () => {
    const text = `calendars: [{ id: here, timeZone: Asia/Shangai }]
schedules:
  - { id: s1, cycle: day, at: "25:00", calendar: there }
  - { id: s2, cycle: hour, at: "02:00" }
  - { id: s3, cycle: month, at: "02:00", on: { workDay: 3 }, procedures: [P99] }
`;
    expect(check(text).problems.map(({ code, line, column }) => [code, line, column])).toEqual([
      ['bad_time_zone', 1, 35],
      ['bad_moment', 3, 31],
      ['unknown_reference', 3, 50],
      ['bad_moment', 4, 32],
      ['missing_field', 5, 46],
      ['unknown_reference', 5, 75],
    ]);
  });
});

describe('distributions', () => {
  const text =
    flows({
      Gate: 'kind: gate, person: { role: r }',
      After: 'after: [Dist]',
      Also: 'after: [Dist.import]',
      Old: 'after: [OldDist]',
      Early: 'after: [Dist.export], forcePassRequires: [Dist]',
    }) + DISTRIBUTION;

  test('one entry becomes an export and an import', () => {
    expect(told(text)).toEqual([]);
    expect(flow(text, 'Dist.export')).toMatchObject({
      kind: 'distribution',
      runner: 'agent',
      platform: 'yt',
      trigger: 'manual',
      startAt: '+1 month, 08:00',
      names: { en: 'Result table (export)', zh: '结果表（出库）' },
      after: [{ from: 'Gate', period: 'same' }],
      key: true,
      reads: ['shfin.r', 'shfin.other'],
      writes: [],
      program: {
        type: 'export',
        distribution: 'Dist',
        from: { connection: 'mpp', table: 'shfin.r' },
        to: { connection: 'yt', table: 'SHFIN.R' },
        columns: ['a', 'b'],
        where: 'b > 0',
      },
    });
    expect(flow(text, 'Dist.export').deadline).toBeUndefined();
    const half = flow(text, 'Dist.import');
    expect(half).toMatchObject({
      kind: 'distribution',
      runner: 'agent',
      platform: 'yt',
      trigger: 'auto',
      deadline: '+1 month, 12:00',
      after: [{ from: 'Dist.export', period: 'same' }],
      key: true,
      aliases: ['OldDist'],
      reads: [],
      writes: ['SHFIN.R'],
      program: {
        type: 'import',
        distribution: 'Dist',
        to: { connection: 'yt', table: 'SHFIN.R' },
        columns: ['a', 'b'],
        periodColumn: 'a',
      },
    });
    expect(half.startAt).toBeUndefined();
  });

  test('others depend on its import, by its own id, by name or by alias', () => {
    for (const id of ['After', 'Also', 'Old'])
      expect(flow(text, id).after).toEqual([{ from: 'Dist.import', period: 'same' }]);
    expect(flow(text, 'Early').after).toEqual([{ from: 'Dist.export', period: 'same' }]);
    expect(flow(text, 'Early').forcePassRequires).toEqual(['Dist.import']);
  });

  test('its connections and columns are checked where they are written', () => {
    const bad = text
      .replace('connection: mpp, table: shfin.r', 'connection: mp, table: shfin.r')
      .replace('columns: [a, b]', 'columns: [a, b, a]');
    expect(
      check(bad).problems.map(({ code, message, line, column }) => [code, message.en, line, column]),
    ).toEqual([
      ['unknown_reference', "there is no connection 'mp'; did you mean 'mpp'?", 11, 25],
      ['bad_combination', "column 'a' is in the list twice", 13, 21],
    ]);
  });

  test('a flow that has the name of a half, and an alias that is taken, are refused', () => {
    const clash =
      flows({ Gate: 'kind: gate, person: { role: r }', 'Dist.import': '', A: 'aliases: [Gate]' }) +
      DISTRIBUTION;
    expect(told(clash)).toEqual([
      "error duplicate_id A: 'Gate' is already a name of Gate",
      "error duplicate_id Dist.import: 'Dist.import' is already a name of Dist.import",
    ]);
  });
});

describe('edges', () => {
  test('an unknown flow is a problem to apply and a finding to import, at its place', () => {
    const text = flows({ Alpha: '', B: 'after: [Alhpa]' });
    const { problems, ok } = check(text);
    expect(problems).toMatchObject([
      {
        code: 'unknown_reference',
        severity: 'error',
        id: 'B',
        file: 'f.yaml',
        line: 3,
        path: ['flows', 1, 'after', 0],
      },
    ]);
    expect(problems[0]!.message.en).toBe("there is no flow 'Alhpa'; did you mean 'Alpha'?");
    expect(text.split('\n')[2]!.slice(problems[0]!.column! - 1)).toMatch(/^Alhpa\]/);
    expect(ok).toBe(false);
    const imported = check(text, 'import');
    expect(imported.problems.map(({ severity }) => severity)).toEqual(['warning']);
    expect(imported.ok).toBe(true);
    expect(imported.flows[1]!.after).toEqual([{ from: 'Alhpa', period: 'same' }]);
  });

  test('an edge to a flow that could not be read is no second problem', () => {
    const text = flows({ A: 'colour: red', B: 'after: [A]' });
    expect(check(text).problems.map(({ code, id }) => [code, id])).toEqual([['unknown_field', 'A']]);
  });

  test('edges to other cycles carry the cycle of the upstream run', () => {
    const text = flows({
      D: 'cycle: day',
      M: 'after: [{ flow: D, period: lastDayOfMonth }, { flow: D, period: everyDayOfMonth, cycle: day }, { flow: M, period: previous }]',
      P05: 'period: lastDayOfMonth, after: [M, { flow: D }]',
      W: 'cycle: day, after: [{ flow: M, period: previous }]',
    });
    expect(told(text)).toEqual([]);
    expect(flow(text, 'M').after).toEqual([
      { from: 'D', period: 'lastDayOfMonth', cycle: 'day' },
      { from: 'D', period: 'everyDayOfMonth', cycle: 'day' },
      { from: 'M', period: 'previous' },
    ]);
    expect(flow(text, 'P05').after).toEqual([
      { from: 'M', period: 'same' },
      { from: 'D', period: 'same', cycle: 'day' },
    ]);
    expect(flow(text, 'W').after).toEqual([{ from: 'M', period: 'previous', cycle: 'month' }]);
  });

  test.each([
    [
      'cycle: day, after: [{ flow: D, period: everyDayOfMonth }]',
      'A',
      'D: everyDayOfMonth needs a month flow, this is a day flow',
    ],
    ['after: [D]', 'A', 'D: one month has many days: say which, with lastDayOfMonth or everyDayOfMonth'],
    [
      'after: [{ flow: D, period: everyHourOfDay }]',
      'A',
      'D: everyHourOfDay leads to a hour, but the upstream runs every day',
    ],
    ['after: [{ flow: D, period: lastDayOfMonth, cycle: month }]', 'A', 'D is a day flow, not a month flow'],
  ])('%s is a mapping that leads nowhere', (line, id, want) => {
    const text = flows({ D: 'cycle: day', A: line });
    expect(told(text)).toEqual([`error bad_period_mapping ${id}: ${want}`]);
    expect(told(text, 'import')).toEqual([`warning bad_period_mapping ${id}: ${want}`]);
  });

  test('the graph has every edge once, with its periods', () => {
    const { graph } = check(
      flows({ A: '', B: 'after: [A, { flow: A, period: previous }, { flow: B, period: previous }]' }),
    );
    expect(graph.order).toBe(2);
    expect(graph.getEdgeAttributes('A', 'B')).toEqual({ periods: ['same', 'previous'], inRun: true });
    expect(graph.getEdgeAttributes('B', 'B')).toEqual({ periods: ['previous'], inRun: false });
  });
});

describe('loops', () => {
  test('a loop is named flow by flow, downstream, at the dependency that closes it', () => {
    const text = flows({ A: 'after: [X, C]', B: 'after: [A]', C: 'after: [B]', X: '' });
    const { problems } = check(text);
    expect(problems).toMatchObject([
      {
        code: 'loop',
        severity: 'error',
        id: 'A',
        members: ['A', 'B', 'C'],
        path: ['flows', 0, 'after', 1],
        line: 2,
      },
    ]);
    expect(problems[0]!.message.en).toBe('these flows wait for one another: A -> B -> C -> A');
    expect(told(text, 'import')).toEqual([
      'warning loop A: these flows wait for one another: A -> B -> C -> A',
    ]);
  });

  test('of a tangle the shortest way round is named', () => {
    const text = flows({ A: 'after: [D]', B: 'after: [A]', C: 'after: [B, D]', D: 'after: [C]' });
    expect(told(text)).toEqual([
      'error loop C: these flows wait for one another: C -> D -> C (2 more in the same loop)',
    ]);
  });

  test('a flow that waits for itself is a loop, for its previous period it is none', () => {
    expect(told(flows({ A: 'after: [A]' }))).toEqual([
      'error loop A: these flows wait for one another: A -> A',
    ]);
    expect(told(flows({ A: 'after: [{ flow: A, period: previous }]' }))).toEqual([]);
    expect(told(flows({ A: 'after: [{ flow: B, period: previous }]', B: 'after: [A]' }))).toEqual([]);
  });

  test('a loop through a distribution is named with both halves', () => {
    const text = flows({ Gate: 'kind: gate, person: { role: r }, after: [Dist]' }) + DISTRIBUTION;
    expect(told(text)).toEqual([
      'error loop Gate: these flows wait for one another: Gate -> Dist.export -> Dist.import -> Gate',
    ]);
  });

  test('components and ways round agree with the obvious slow answer', () => {
    const graphs = fc.integer({ min: 1, max: 9 }).chain((n) =>
      fc.record({
        n: fc.constant(n),
        edges: fc.uniqueArray(fc.tuple(fc.nat(n - 1), fc.nat(n - 1)), { selector: String, maxLength: 18 }),
      }),
    );
    fc.assert(
      fc.property(graphs, ({ n, edges }) => {
        const graph = upstreamsOf(n, edges);
        const reach = distances(n, edges);
        const { of, loops, count } = components(graph);
        for (let a = 0; a < n; a++)
          for (let b = 0; b < n; b++)
            expect(of[a] === of[b]).toBe(a === b || (reach[a]![b]! < Infinity && reach[b]![a]! < Infinity));
        expect(new Set(of).size).toBe(count);
        for (const [from, to] of edges) expect(of[from]!).toBeLessThanOrEqual(of[to]!);
        const inLoops = [...Array(n).keys()].filter((v) => reach[v]![v]! < Infinity);
        expect(loops.flat().sort((a, b) => a - b)).toEqual(inLoops);
        for (const loop of loops) {
          const way = shortestWayRound(graph, loop);
          expect(way.length).toBe(Math.min(...loop.map((v) => reach[v]![v]!)));
          for (const [i, v] of way.entries()) expect(edges).toContainEqual([v, way[(i + 1) % way.length]]);
        }
      }),
      { seed, numRuns: runsOr(400) },
    );
  });

  test('a loop of 13,000 flows is found without recursion', () => {
    const n = 13_000;
    const graph = upstreamsOf(
      n,
      Array.from({ length: n }, (_, v) => [v, (v + 1) % n]),
    );
    const { loops } = components(graph);
    expect(loops.map((loop) => loop.length)).toEqual([n]);
    expect(shortestWayRound(graph, loops[0]!)).toHaveLength(n);
  });
});

/** Edges [from, to] as the arrays of graph/compiled/loops.ts. */
function upstreamsOf(n: number, edges: readonly (readonly [number, number] | number[])[]): Upstreams {
  const into: number[][] = Array.from({ length: n }, () => []);
  for (const [from, to] of edges) into[to!]!.push(from!);
  const upOff = new Int32Array(n + 1);
  into.forEach((sources, v) => {
    upOff[v + 1] = upOff[v]! + sources.length;
  });
  return { upOff, up: Int32Array.from(into.flat()) };
}

/** Shortest ways of at least one edge between all pairs, after Floyd and Warshall. */
function distances(n: number, edges: readonly (readonly [number, number])[]): number[][] {
  const far = Array.from({ length: n }, () => Array<number>(n).fill(Infinity));
  for (const [from, to] of edges) far[from]![to] = 1;
  for (let k = 0; k < n; k++)
    for (let a = 0; a < n; a++)
      for (let b = 0; b < n; b++) far[a]![b] = Math.min(far[a]![b]!, far[a]![k]! + far[k]![b]!);
  return far;
}

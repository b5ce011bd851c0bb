import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { catalogueOf, estate } from '../../../bench/estate/catalogue.ts';
import { makeEstate } from '../../../bench/estate/estate.ts';
import { momentsOf, openingOf, periodsOf } from '../../../bench/estate/moments.ts';
import { pastRuns } from '../../../bench/estate/past.ts';
import { tracedRun } from '../../../bench/estate/trace.ts';
import { parseGraphFile } from '../../../bench/load/graph-file.ts';
import { projectFolder } from '../../../config.ts';
import { mapPeriod } from '../../../graph/calendar/calendar.ts';
import { resolveMoment } from '../../../graph/calendar/moment.ts';
import { DEFAULT_CALENDAR } from '../../../graph/calendar/work-days.ts';
import { checkCatalogue } from '../../../graph/catalogue/check.ts';
import { type Graph, inflate } from '../../../graph/compiled/compact.ts';
import { compact } from '../../../graph/compiled/compile.ts';
import type { Cycle } from '../../../graph/model.ts';
import type { PastRun } from '../../../store/history/past-run.ts';

const bytesOf = (flows: number, seed: number, options = {}) =>
  createHash('sha256')
    .update(JSON.stringify(estate(flows, seed, options)))
    .digest('hex');

describe('the estate', () => {
  test('has the proportions of a heavy day, and the catalogue that it writes has no problem', () => {
    const { flows } = makeEstate({ flows: 13_000, seed: 1 });
    const count = (kind: string, cycle?: Cycle) =>
      flows.filter((flow) => flow.kind === kind && (cycle === undefined || flow.cycle === cycle)).length;
    expect(flows).toHaveLength(13_000);
    expect(count('job', 'day')).toBe(1000);
    expect(flows.filter(({ cycle, kind }) => cycle === 'month' && kind !== 'interface')).toHaveLength(60);
    expect(count('distribution')).toBe(6000);
    expect(count('job', 'hour')).toBe(6);
    expect(new Set(flows.filter((f) => f.kind === 'interface').map((f) => f.id.split('.')[0])).size).toBe(
      1200,
    );
    const { problems, flows: checked } = checkCatalogue(estate(13_000, 1));
    expect(problems).toEqual([]);
    // Halves are written as one entry and come back as two flows with the same ids.
    expect(new Set(checked.map(({ id }) => id))).toEqual(new Set(flows.map(({ id }) => id)));
  });

  test('is the same bytes for the same seed and other bytes for another', () => {
    expect(bytesOf(2_000, 5)).toBe(bytesOf(2_000, 5));
    expect(bytesOf(2_000, 6)).not.toBe(bytesOf(2_000, 5));
    expect(bytesOf(2_000, 5, { noop: true })).not.toBe(bytesOf(2_000, 5));
  });

  test('has every mapping between cycles, and no loop', () => {
    const { ok, flows } = checkCatalogue(estate(2_000, 3));
    expect(ok).toBe(true);
    const mappings = new Set(flows.flatMap((flow) => flow.after.map(({ period }) => period)));
    for (const mapping of ['same', 'previous', 'lastDayOfMonth', 'everyDayOfMonth', 'everyHourOfDay'])
      expect(mappings).toContain(mapping);
    for (const cycle of ['hour', 'day', 'month'] as const) expect(compact(flows, cycle).loops).toEqual([]);
  });

  test('can be carried out without a database: every program of an agent does nothing for a while', () => {
    const { ok, flows } = checkCatalogue(catalogueOf(makeEstate({ flows: 500, seed: 2 }), { noop: true }));
    expect(ok).toBe(true);
    const programs = flows.filter(({ runner }) => runner === 'agent').map(({ program }) => program!.type);
    expect(new Set(programs)).toEqual(new Set(['noop']));
  });

  test('npm run estate writes it into a folder, in place of an earlier one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-test-estate-'));
    const write = (...args: string[]) =>
      promisify(execFile)(process.execPath, [
        join(projectFolder, 'bench/estate/main.ts'),
        '--out',
        folder,
        ...args,
      ]);
    await write('--flows', '2500', '--seed', '1');
    const { stdout } = await write('--flows', '300', '--seed', '2', '--noop');
    expect(JSON.parse(stdout)).toMatchObject({ flows: 300, out: folder });
    const written = (await readdir(folder)).map((path) => ({
      path,
      text: readFileSync(join(folder, path), 'utf8'),
    }));
    const wanted = estate(300, 2, { noop: true });
    expect(written.sort((a, b) => (a.path < b.path ? -1 : 1))).toEqual(
      wanted.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    );
    await rm(folder, { recursive: true });
  });

  test.each([200, 201, 350, 999])('%i flows are as many vertices', (n) => {
    const { ok, flows } = checkCatalogue(estate(n, 9));
    expect(ok).toBe(true);
    expect(flows).toHaveLength(n);
  });
});

describe('the past of an estate', () => {
  const made = makeEstate({ flows: 1_000, seed: 4 });
  const { flows: checked } = checkCatalogue(catalogueOf(made));
  const graphs = new Map<Cycle, Graph>(
    (['hour', 'day', 'month'] as const).map((cycle) => [cycle, inflate(compact(checked, cycle))]),
  );
  const runs = [...pastRuns(made, { last: '2026-11-02', days: 40 })];
  const ends = new Map<string, number>();
  for (const run of runs)
    for (const flow of run.flows) ends.set(`${run.cycle}-${run.period} ${flow.flow}`, flow.resultAt);

  const brokenIn = (run: PastRun): string[] => {
    const graph = graphs.get(run.cycle)!;
    const byId = new Map(run.flows.map((flow) => [flow.flow, flow]));
    const broken: string[] = [];
    for (let v = 0; v < graph.n; v++) {
      const flow = byId.get(graph.ids[v]!)!;
      for (let e = graph.upOff[v]!; e < graph.upOff[v + 1]!; e++) {
        const upstream = byId.get(graph.ids[graph.up[e]!]!)!;
        if (flow.releasedAt < upstream.resultAt) broken.push(`${flow.flow} before ${upstream.flow}`);
      }
      for (let i = graph.foreignOff[v]!; i < graph.foreignOff[v + 1]!; i++) {
        const { from, cycle, period } = graph.foreign[i]!;
        for (const other of mapPeriod(period, run.cycle, run.period, cycle)) {
          const end = ends.get(`${cycle}-${other} ${from}`);
          if (end !== undefined && flow.releasedAt < end)
            broken.push(`${flow.flow} before ${from} of ${other}`);
        }
      }
    }
    return broken;
  };

  test('has each hour, each day and the month that ended, every flow with a result', () => {
    const of = (cycle: Cycle) => runs.filter((run) => run.cycle === cycle);
    expect([of('hour').length, of('day').length, of('month').map((run) => run.period)]).toEqual([
      960,
      40,
      ['2026-09', '2026-10'],
    ]);
    for (const run of runs)
      expect(run.flows.map(({ flow }) => flow).sort()).toEqual([...graphs.get(run.cycle)!.ids].sort());
  });

  test('no flow was released before its upstreams had ended, in its own run and in others', () => {
    expect(runs.flatMap(brokenIn)).toEqual([]);
  });

  test('attempts lie between release and result, one after the other', () => {
    for (const run of runs) {
      const last = new Map<string, number>();
      for (const it of run.attempts) {
        expect(it.sentAt).toBeGreaterThanOrEqual(run.openedAt);
        expect(it.startedAt).toBeGreaterThanOrEqual(it.sentAt);
        expect(it.endedAt).toBeGreaterThan(it.startedAt);
        expect(it.sentAt).toBeGreaterThan(last.get(it.flow) ?? 0);
        last.set(it.flow, it.endedAt);
      }
      for (const flow of run.flows) {
        expect(flow.resultAt).toBeGreaterThanOrEqual(flow.releasedAt);
        if (flow.runner === 'agent') expect(flow.resultAt).toBeGreaterThan(last.get(flow.flow)!);
      }
    }
  });

  test('has failures, retries, force-passes, reruns and confirmations, and taint goes on to what follows', () => {
    const all = runs.flatMap((run) => run.flows);
    expect(all.some((flow) => flow.result === 'force_passed' && flow.tainted)).toBe(true);
    expect(all.some((flow) => flow.result === 'succeeded' && flow.tainted)).toBe(true);
    expect(all.some((flow) => flow.attempt === 2)).toBe(true);
    expect(all.some((flow) => flow.generation > 1)).toBe(true);
    const verbs = new Set(runs.flatMap((run) => run.operations.map(({ verb }) => verb)));
    expect(verbs).toEqual(new Set(['force-pass', 'confirm', 'rerun']));
  });

  test('run times follow weekday and day of the month', () => {
    const weekendly = made.flows.filter(
      (f) => f.cycle === 'day' && f.season.weekend < 0.7 && f.season.monthStart === 1,
    );
    const mean = (weekend: boolean): number => {
      const times = runs
        .filter(
          ({ cycle, period }) => cycle === 'day' && [0, 6].includes(new Date(period).getUTCDay()) === weekend,
        )
        .flatMap((run) => run.attempts.filter((attempt) => weekendly.some(({ id }) => id === attempt.flow)))
        .map((entry) => entry.endedAt - entry.startedAt);
      return times.reduce((sum, time) => sum + time, 0) / times.length;
    };
    expect(mean(true)).toBeLessThan(0.85 * mean(false));
  });

  test('is the same for the same seed', () => {
    const days = (seed: number) => [
      ...pastRuns(makeEstate({ flows: 300, seed }), { last: '2026-11-02', days: 2 }),
    ];
    expect(days(1)).toEqual(days(1));
    expect(days(2)).not.toEqual(days(1));
  });

  test('its moments and periods are those of the rules', () => {
    for (const { cycle, period } of [...periodsOf('2026-03-01', 2), ...periodsOf('2026-12-31', 1)]) {
      const moments = momentsOf(cycle, period);
      for (const moment of [
        '+1 month, day 3, 12:00',
        '+1 day, 07:00',
        ...(cycle === 'hour' ? ['+1 hour, 00:05'] : []),
      ])
        expect(moments(moment)).toBe(
          resolveMoment(moment, { cycle, period, calendar: DEFAULT_CALENDAR, openedAtMs: 0 }),
        );
      const offsets = [{ offset: -2 }, 'previous'] as const;
      for (const mapping of offsets)
        expect(moments.runsOf(mapping, cycle)).toEqual(
          mapPeriod(mapping, cycle, period, cycle).map((entry) => `${cycle}-${entry}`),
        );
    }
    expect(momentsOf('month', '2026-02').runsOf('everyDayOfMonth', 'day')).toHaveLength(28);
    expect(momentsOf('day', '2026-02-01').runsOf('everyHourOfDay', 'hour').at(-1)).toBe('hour-2026020123');
    expect(openingOf('day', '2026-02-01')).toBe(Date.UTC(2026, 1, 1, 16, 5));
  });
});

describe('graphs as files', () => {
  test('a recorded workflow and a graph of the bench are read alike, in topological order', () => {
    const recorded = parseGraphFile(
      JSON.stringify({
        source: 'somewhere/a/trace-1.json',
        makespanSeconds: 9,
        tasks: [
          { id: 'b 2', parents: ['a', 'a'], runtimeSeconds: 2.5 },
          { id: 'a', parents: [], runtimeSeconds: 1 },
        ],
      }),
      'trace',
    );
    expect(recorded).toEqual({
      name: 'trace-1',
      tasks: [
        { id: 'a', deps: [], runtimeSeconds: 1 },
        { id: 'b 2', deps: ['a'], runtimeSeconds: 2.5 },
      ],
    });
    const [run] = [...tracedRun(recorded, { last: '2026-11-02', days: 1 })];
    expect(run!.finishedAt - run!.openedAt).toBe(3_500);
    const bench = { name: 'w', seed: 1, tasks: [{ id: 'x', deps: [] }] };
    expect(parseGraphFile(JSON.stringify(bench), 'w')).toEqual({ name: 'w', tasks: [{ id: 'x', deps: [] }] });
  });

  test.each([
    ['is no JSON', '{', /is not JSON/],
    ['is neither shape', '{"name":"x"}', /is no graph/],
    ['names a task twice', graph(['a'], ['a']), /'a' twice/],
    ['waits for what is not there', graph(['a', 'z']), /waits for 'z'/],
    ['has a loop', graph(['a', 'b'], ['b', 'a']), /has a loop/],
  ])('a file that %s is refused', (_name, text, message) => {
    expect(() => parseGraphFile(text, 'file')).toThrow(message);
  });

  function graph(...tasks: [string, ...string[]][]): string {
    return JSON.stringify({ name: 'g', tasks: tasks.map(([id, ...deps]) => ({ id, deps })) });
  }
});

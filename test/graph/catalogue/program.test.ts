import { describe, expect, test } from 'vitest';
import { givenParameters, type ParameterRun } from '../../../graph/catalogue/parameters.ts';
import { isFenced, lockKeys, programName, workForm } from '../../../graph/catalogue/program.ts';
import type { Flow } from '../../../graph/model.ts';

const month: ParameterRun = { id: 'month-2026-10', cycle: 'month', period: '2026-10' };
const flowOf = (more: Partial<Flow> = {}): Flow =>
  ({
    id: 'F',
    kind: 'job',
    cycle: 'month',
    period: 'same',
    platform: 'yt',
    parameters: {},
    locks: [],
    program: { type: 'sql', file: 'load/Region.sql' },
    ...more,
  }) as unknown as Flow;
const formOf = (more: Partial<Flow>, binds: string[] = ['period', 'region'], run = month) => {
  const flow = flowOf(more);
  return workForm(flow, '202610', binds, givenParameters(flow, run, 1, '202609'));
};
const region = (value: string | number) => ({ parameters: { region: { value } } }) as Partial<Flow>;

describe('the work of a program (protocol C6)', () => {
  test('is its whole path, what its text binds, and the period', () => {
    expect(formOf(region('BJ'))).toEqual({
      canonical: '["load/Region.sql",[["period","string","202610"],["region","string","BJ"]],"202610"]',
      readable: 'load/Region.sql 202610 (region=BJ)',
      connection: 'yt',
    });
  });

  const same: [string, Partial<Flow>, Partial<Flow>, string[]?][] = [
    ['another flow', { id: 'F' }, { id: 'G' }],
    ['a parameter that the text does not bind', region('BJ'), region('SH'), ['period']],
    [
      'the run',
      { parameters: { x: { from: 'run' } } },
      { id: 'G', parameters: { x: { from: 'run' } } },
      ['x'],
    ],
    ['its own flow id', { id: 'F' }, { id: 'G' }, ['flow', 'run', 'generation']],
    [
      'the order in which parameters are written',
      { parameters: { a: { value: 1 }, b: { value: 2 } } },
      { parameters: { b: { value: 2 }, a: { value: 1 } } },
      ['b', 'a'],
    ],
  ];
  test.each(same)('is not told apart by %s', (_, one, other, binds) => {
    expect(formOf(one, binds)).toEqual(formOf(other, binds));
  });

  const apart: [string, Partial<Flow>, Partial<Flow>, string[]?][] = [
    ['a value', region('BJ'), region('SH')],
    ['the type of a value', region('1'), region(1)],
    [
      'the folder of the file',
      { program: { type: 'sql', file: 'a/L.sql' } },
      { program: { type: 'sql', file: 'b/L.sql' } },
    ],
    [
      'what a value is taken from',
      { parameters: { x: { value: 'month-2026-10' } } },
      { parameters: { x: { from: 'run' } } },
      ['x'],
    ],
  ];
  test.each(apart)('differs by %s', (_, one, other, binds) => {
    expect(formOf(one, binds)!.canonical).not.toBe(formOf(other, binds)!.canonical);
  });

  test('is the same in another run of the period, and another one in another period', () => {
    const backfill = { ...month, id: 'month-2026-10-backfill-1' };
    expect(formOf(region('BJ'), ['period', 'run'], backfill)).toEqual(
      formOf(region('BJ'), ['period', 'run']),
    );
    const flow = flowOf();
    const given = givenParameters(flow, month, 1, '202609');
    expect(workForm(flow, '202611', [], given)!.canonical).not.toBe(
      workForm(flow, '202610', [], given)!.canonical,
    );
  });

  test('is none of checks, shell programs and noops', () => {
    for (const more of [
      { kind: 'check' },
      { program: { type: 'shell', command: ['true'], env: {} } },
      { program: { type: 'noop', ms: 0, failTimes: 0 } },
    ] as Partial<Flow>[]) {
      expect(isFenced(flowOf(more))).toBe(false);
      expect(formOf(more)).toBeNull();
    }
  });

  test('excludes by itself on one connection; a shell program by its flow', () => {
    const work = { key: 'abc', connection: 'yt' };
    expect(lockKeys(flowOf({ locks: ['L'] }), '202610', work)).toEqual(['work:abc@yt', 'lock:L']);
    const shell = flowOf({ program: { type: 'shell', command: ['true'], env: {} } });
    expect(lockKeys(shell, '202610', null)).toEqual(['program:F:202610']);
    expect(lockKeys(flowOf({ program: { type: 'noop', ms: 0, failTimes: 0 } }), '202610', null)).toEqual([]);
  });

  test('people know the program by the name of its file', () => {
    expect(programName(flowOf())).toBe('Region');
  });
});

/**
 * The short form of the fault harness: every kind of fault strikes at least once within less than a minute while runs with effects
 * and operators are under way; then nothing may be lost, doubled or out of order. The long form: `npm run faults` (docs/reliability.md).
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { FaultSummary } from '../../bench/faults/run.ts';
import { drawSchedule, FAULTS } from '../../bench/faults/schedule.ts';
import { projectFolder } from '../../config.ts';
import { runProgram } from '../support/program-run.ts';

const targets = {
  apis: ['api-1', 'api-2'],
  workers: ['worker-1', 'worker-2'],
  agents: ['agent-1', 'agent-2'],
  links: ['agent-1>api', 'api-1>postgres'],
};
const times = { leaseMs: 4_000, taskTimeoutMs: 10_000 };

describe('the schedule of faults', () => {
  test('is the same for the same seed, and another one for another', () => {
    expect(drawSchedule(7, 30, targets, times)).toEqual(drawSchedule(7, 30, targets, times));
    expect(drawSchedule(8, 30, targets, times)).not.toEqual(drawSchedule(7, 30, targets, times));
  });

  test('holds every kind of fault, also in the shortest run, in order of time', () => {
    for (const minutes of [0.5, 1, 30]) {
      const schedule = drawSchedule(3, minutes, targets, times);
      expect(new Set(schedule.map((entry) => entry.fault))).toEqual(new Set(FAULTS));
      expect(schedule.map((entry) => entry.atMs)).toEqual(
        schedule.map((entry) => entry.atMs).sort((a, b) => a - b),
      );
      expect(schedule.at(-1)!.atMs).toBeLessThan(minutes * 60_000);
    }
  });
});

describe('A, B, C while faults strike', () => {
  test('whatever fails, nothing is lost, doubled or started too early, and late results are refused', async () => {
    const { code, out, talk } = await runProgram('bench/faults/main.ts', [
      '--json',
      '--seed',
      '20261101',
      '--minutes',
      '0.6',
      '--flows',
      '80',
      '--quiet-seconds',
      '60',
    ]);
    if (out === '') throw new Error(`the harness ended with ${code} and no summary:\n${talk}`);
    const summary = JSON.parse(out) as FaultSummary;
    expect(summary.violations, talk).toEqual([]);
    expect([code, summary.ok]).toEqual([0, true]);
    // It did bite: every fault struck, attempts were lost, results came too late, verbs were answered.
    expect(FAULTS.filter((fault) => summary.injected[fault] === 0)).toEqual([]);
    expect(summary.lost).toBeGreaterThan(0);
    expect(summary.staleRefused).toBeGreaterThan(0);
    expect(summary.operations.applied).toBeGreaterThan(20);
    expect(summary.sharedAttempts).toBeGreaterThan(10);
    expect(summary.daemons).toBeGreaterThan(0);
    expect(summary.survivors).toBe(0);
    expect(summary.kept).toBeNull();
  });
});

test('the command is a script of the package', async () => {
  const { scripts } = JSON.parse(await readFile(join(projectFolder, 'package.json'), 'utf8'));
  expect(scripts.faults).toContain('bench/faults/main.ts');
});

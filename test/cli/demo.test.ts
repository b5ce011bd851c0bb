/** The demo as `npm start` runs it: real servers, real agents, a small sample. */
import { describe, expect, test } from 'vitest';
import { compactMonth, monthBefore } from '../../cli/demo/months.ts';
import { npmStart, scratchHome } from '../support/npm-start.ts';

const [last, before] = [monthBefore(1), monthBefore(2)];

const { env } = await scratchHome({ SLUICE_SAMPLE_SCALE: '5000', SLUICE_LANG: 'en' });

describe('npm start -- --once --json', () => {
  test('runs two months and answers one object in which everything is as it should be', async () => {
    const run = npmStart(env, '--once', '--json');
    const [code] = await run.exit;
    expect(run.said).not.toContain('not as expected');
    const answer = JSON.parse(run.printed);
    expect(answer.problems).toEqual([]);
    expect(code).toBe(0);
    expect(answer).toMatchObject({
      run: `month-${last}`,
      flows: 69,
      states: { succeeded: 68, force_passed: 1 },
      forcePassed: ['P06.S4.ForcePassMppTasks'],
      stale: [],
      previous: { run: `month-${before}`, flows: 69, states: { succeeded: 69 } },
      existing: false,
      ok: true,
    });
    expect(answer.reruns).toHaveLength(1);
    expect(answer.reruns[0]).toMatchObject({ scope: 'downstream', roots: ['P04.S5.DwdAccPocketM'] });
    expect(answer.refused.map((entry: { code: string }) => entry.code)).toEqual([
      'force_pass_requires',
      'forbidden',
    ]);
    expect(answer.criticalPath.map((entry: { kind: string }) => entry.kind)).toContain('rework');
    expect(answer.durationMs).toBeGreaterThan(0);
    // The answer to why, printed while the chain was broken.
    expect(run.said).toContain('why has P04.S7.AllSucceeded not run?');
    expect(run.said).toContain(`ods.pocket has no rows of month ${compactMonth(last)}`);
  });

  test('a second start finds the months finished, does nothing again and still succeeds', async () => {
    const run = npmStart(env, '--once', '--json');
    const [code] = await run.exit;
    expect(code).toBe(0);
    expect(JSON.parse(run.printed)).toMatchObject({ run: `month-${last}`, existing: true, ok: true });
    expect(run.said).toContain('is finished already');
  });
});

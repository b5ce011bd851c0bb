/** The demo of `npm start`, killed and started again: a file of its own, so that it runs beside the undisturbed one. */
import { describe, expect, test } from 'vitest';
import { monthBefore } from '../../cli/demo/months.ts';
import { npmStart, scratchHome } from '../support/npm-start.ts';

const [last, before] = [monthBefore(1), monthBefore(2)];

const { env } = await scratchHome({ SLUICE_SAMPLE_SCALE: '5000', SLUICE_LANG: 'en' });

describe('a start that is killed in the middle of the demo', () => {
  test('goes on where the months stand when it is started again, and all is as it should be', async () => {
    for (const moment of [`opens month-${before}`, 'is refused: 403']) {
      const killed = npmStart(env);
      await killed.until(moment);
      killed.child.kill('SIGKILL');
      await killed.exit;
    }
    const run = npmStart(env, '--once', '--json');
    const [code] = await run.exit;
    const answer = JSON.parse(run.printed);
    expect(answer.problems).toEqual([]);
    expect(answer).toMatchObject({ states: { succeeded: 68, force_passed: 1 }, ok: true });
    expect(run.said).toContain(`month-${last} exists already; the demo continues from its present state`);
    expect(code).toBe(0);
  });
});

/** Cases about pools. */
import { type Case, expectSame } from './case.ts';

const SMALL = 40;

export const roomCases: readonly Case[] = [
  {
    id: 'R20',
    right: 'an expedited key flow that needs a whole pool starts before the small ones that came after it',
    async check(tools) {
      const small = Array.from(
        { length: SMALL },
        (_, i) =>
          `  - { id: C20.S${i}, names: { en: S${i}, zh: 小${i} }, kind: job, cycle: month, platform: yt, program: { type: noop, ms: ${800 + 13 * i} }, uses: [{ pool: c20 }] }\n`,
      );
      const run = await tools.open(
        {
          'c20.yaml': `pools:
  - { id: c20, size: 3 }
flows:
  - { id: C20.Whole, names: { en: Whole, zh: 全部 }, kind: job, cycle: month, key: true, platform: yt, program: { type: noop, ms: 100 }, startAt: "open + 2 s", uses: [{ pool: c20, n: 3 }] }
${small.join('')}`,
        },
        '2025-09',
      );
      expectSame('C20.Whole', await tools.resultOf(run, 'C20.Whole'), 'succeeded');
      const { items } = await tools.json<{ items: { id: string; state: string }[] }>(
        'flow',
        'list',
        '--run',
        run,
        '--state',
        'waiting_agent',
        '--limit',
        '100',
      );
      if (items.length < SMALL / 4)
        throw new Error(`it began after ${SMALL - items.length} of ${SMALL} small ones`);
    },
  },
];

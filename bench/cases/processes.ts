/** Cases about processes: what the kernel refuses to start, and what a program leaves behind. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Case, type CaseTools, expectPart, expectSame } from './case.ts';

/** Writes a line every 50 ms from a session of its own, for two minutes at most. */
const DAEMON = `rm -f "$1"
setsid sh -c 'i=0; while [ $i -lt 2400 ]; do echo $i >> "$0"; sleep 0.05; i=$((i+1)); done' "$1" > /dev/null 2>&1 &
while [ ! -s "$1" ]; do sleep 0.01; done
echo started
sleep "$2"
`;

const flow = (id: string, command: readonly string[], more = ''): string =>
  `  - { id: ${id}, names: { en: ${id}, zh: ${id} }, kind: job, cycle: month, platform: yt, program: { type: shell, command: ${JSON.stringify(command)} }${more} }\n`;

/** Throws when the file still grows: by a second look after twenty times the daemon's own pace. */
async function expectSilent(file: string, what: string): Promise<void> {
  const before = (await readFile(file)).length;
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const after = (await readFile(file)).length;
  if (after > before) throw new Error(`what ${what} started goes on writing`);
}

async function attempts(tools: CaseTools, run: string, id: string): Promise<{ outcome: string | null }[]> {
  const shown = await tools.json<{ attempts: { outcome: string | null }[] }>(
    'flow',
    'show',
    id,
    '--run',
    run,
  );
  return shown.attempts;
}

export const processCases: readonly Case[] = [
  {
    id: '11',
    right: 'what the kernel refuses to start is failed with its reason, and nobody is asked',
    async check(tools) {
      const run = await tools.open(
        {
          'c11.yaml':
            'flows:\n' +
            flow('C11.NotThere', ['/no/such/program']) +
            flow('C11.NotADirectory', ['/etc/hostname/run.sh']) +
            flow(
              'C11.TooLong',
              ['/bin/echo', ':accounts'],
              `, parameters: { accounts: { value: "${'100000000,'.repeat(14_000)}" } }`,
            ),
        },
        '2025-11',
      );
      for (const [id, reason] of [
        ['C11.NotThere', 'ENOENT'],
        ['C11.NotADirectory', 'ENOTDIR'],
        ['C11.TooLong', 'E2BIG'],
      ] as const) {
        expectSame(id, await tools.resultOf(run, id), 'failed');
        const why = await tools.sluice('why', id, '--run', run, '--sentence');
        expectPart(`why of ${id}`, why.out, reason);
      }
    },
  },
  {
    id: '12',
    right: 'nothing that a program started goes on after its cancel, its timeout or its end',
    async check(tools) {
      const script = join(tools.scratch, 'daemon.sh');
      await writeFile(script, DAEMON);
      const file = (name: string): string => join(tools.scratch, name);
      const run = await tools.open(
        {
          'c12.yaml':
            'flows:\n' +
            flow('C12.Cancelled', ['sh', script, file('cancelled'), '120']) +
            flow(
              'C12.TimedOut',
              ['sh', script, file('timeout'), '120'],
              ', timeoutMs: 1500, retries: { timeout: 1, backoffMs: 200 }',
            ) +
            flow('C12.Ended', ['sh', script, file('ended'), '0']),
        },
        '2025-10',
      );
      await tools.until('the daemon of C12.Cancelled writes', () =>
        readFile(file('cancelled')).then(
          (text) => text.length > 0,
          () => false,
        ),
      );
      const cancelled = await tools.sluice('cancel', 'C12.Cancelled', '--run', run, '--reason', 'stop');
      expectSame('exit code of cancel', cancelled.code, 0);
      expectSame('C12.Cancelled', await tools.resultOf(run, 'C12.Cancelled'), 'cancelled');
      expectSame('C12.Ended', await tools.resultOf(run, 'C12.Ended'), 'succeeded');
      expectSame('C12.TimedOut', await tools.resultOf(run, 'C12.TimedOut'), 'failed');
      expectSame('attempts of C12.TimedOut', (await attempts(tools, run, 'C12.TimedOut')).length, 2);
      await Promise.all(['cancelled', 'ended', 'timeout'].map((name) => expectSilent(file(name), name)));
    },
  },
];

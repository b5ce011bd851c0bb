import { expect, test } from 'vitest';
import { saidText } from '../../../graph/why/ending-text.ts';

const table: [string, { given: string; en: string; zh: string }][] = [
  ['a person', { given: 'wrong month\nsee ticket 5', en: 'wrong month', zh: 'wrong month' }],
  ['an exit code', { given: 'exit code 3', en: 'exit code 3', zh: '退出码 3' }],
  [
    'a program, beside its exit code',
    {
      given: 'exit code 3\nstderr: loading\nORA-01653: 表空间不足',
      en: 'exit code 3; stderr: loading / ORA-01653: 表空间不足',
      zh: '退出码 3；标准错误输出：loading / ORA-01653: 表空间不足',
    },
  ],
  [
    'a signal',
    {
      given: 'killed by SIGKILL (exit code 137), not by Sluice; perhaps a memory limit',
      en: 'killed by SIGKILL (exit code 137), not by Sluice; perhaps a memory limit',
      zh: '被 SIGKILL 终止（退出码 137），并非 Sluice 所为；可能触及内存限制',
    },
  ],
  ['a full pool', { given: 'needs 2, 3 of 4 used', en: 'needs 2, 3 of 4 used', zh: '需要 2，已用 3，共 4' }],
  [
    'room in a pool',
    {
      given: 'pool bulk, needs 1, 1 of 3 used',
      en: 'pool bulk, needs 1, 1 of 3 used',
      zh: '资源池 bulk 需要 1，已用 1，共 3',
    },
  ],
  ['a slot', { given: 'a slot of agent-yt', en: 'a slot of agent-yt', zh: '代理 agent-yt 的槽位' }],
  ['a timeout', { given: 'timed out after 300 ms', en: 'timed out after 300 ms', zh: '300 毫秒内未结束' }],
  [
    'a timeout, in the words of earlier agents',
    { given: 'no end within 300 ms', en: 'no end within 300 ms', zh: '300 毫秒内未结束' },
  ],
  [
    'a database, its first line',
    {
      given: 'relation x does not exist (42P01)\nat line 1',
      en: 'relation x does not exist (42P01)',
      zh: 'relation x does not exist (42P01)',
    },
  ],
];

test.each(table)('what was said by %s stands in one line', (_name, { given, en, zh }) => {
  expect(saidText(given)).toEqual({ en, zh });
});

test('what is long is cut between characters: the beginning of what we say, the end of what a program said', () => {
  const { en } = saidText(`${'😀'.repeat(300)}\nstderr: ${'错😀'.repeat(400)}`);
  const [said, stderr] = en.split('; stderr: ');
  expect(said).toBe(`${'😀'.repeat(200)}…`);
  expect(stderr).toBe(`…${'错😀'.repeat(300)}`);
});

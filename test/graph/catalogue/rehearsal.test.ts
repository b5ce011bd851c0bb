import { expect, test } from 'vitest';
import { checkCatalogue } from '../../../graph/catalogue/check.ts';
import { rehearsalForm, rehearsalGaps, twinsOf } from '../../../graph/catalogue/rehearsal.ts';
import { catalogueText } from '../../support/estate.ts';

const connections = [
  { id: 'yt', platform: 'yt', rehearsal: 'yt_rehearsal' },
  { id: 'mpp', platform: 'mpp' },
];
const twins = twinsOf(connections);
const form = (program: object, kind = 'job', platform = 'yt') =>
  rehearsalForm({ kind, platform, program } as Parameters<typeof rehearsalForm>[0], twins);
const run = (program: object, standsFor: object = {}) => ({ kind: 'run', program, twins: standsFor });
const shell = { type: 'shell', command: ['load'], env: {} };
const copy = { type: 'export', distribution: 'D', columns: ['a'] };
const side = (connection: string) => ({ connection, table: 't' });

test('a gate has nothing to rehearse', () => {
  expect(rehearsalForm({ kind: 'gate', program: undefined, platform: undefined }, twins)).toBe(null);
});

test.each<[string, { given: unknown; want: unknown }]>([
  [
    'SQL runs on the twin',
    {
      given: form({ type: 'sql', file: 'a.sql', connection: 'yt' }),
      want: run({ type: 'sql', file: 'a.sql', connection: 'yt_rehearsal' }, { yt_rehearsal: 'yt' }),
    },
  ],
  [
    'SQL that names no connection uses that of its platform',
    {
      given: form({ type: 'sql', file: 'a.sql' }),
      want: run({ type: 'sql', file: 'a.sql', connection: 'yt_rehearsal' }, { yt_rehearsal: 'yt' }),
    },
  ],
  [
    'SQL without a twin is missing',
    {
      given: form({ type: 'sql', file: 'a.sql', connection: 'mpp' }),
      want: { kind: 'missing', connection: 'mpp' },
    },
  ],
  [
    'a check without a twin reads production',
    {
      given: form({ type: 'sql', file: 'a.sql', connection: 'mpp' }, 'check'),
      want: run({ type: 'sql', file: 'a.sql', connection: 'mpp' }),
    },
  ],
  [
    'a copy needs both twins',
    {
      given: form({ ...copy, from: side('yt'), to: side('mpp') }),
      want: { kind: 'missing', connection: 'mpp' },
    },
  ],
  [
    'a copy runs between twins',
    {
      given: form({ ...copy, from: side('yt'), to: side('yt') }),
      want: run({ ...copy, from: side('yt_rehearsal'), to: side('yt_rehearsal') }, { yt_rehearsal: 'yt' }),
    },
  ],
  [
    'a shell program without a word is missing',
    { given: form(shell), want: { kind: 'missing', connection: null } },
  ],
  ['rehearsal: skip', { given: form({ ...shell, rehearsal: 'skip' }), want: { kind: 'skip' } }],
  [
    'rehearsal: command',
    { given: form({ ...shell, rehearsal: 'command' }), want: run({ ...shell, rehearsal: 'command' }) },
  ],
  [
    'a command of its own',
    {
      given: form({ ...shell, rehearsal: ['try'] }),
      want: run({ ...shell, rehearsal: ['try'], command: ['try'] }),
    },
  ],
])('%s', (_, { given, want }) => {
  expect(given).toEqual(want);
});

test('gaps are named in the order of the flows', () => {
  const flows = [
    { id: 'A', kind: 'job', platform: 'yt', program: shell },
    { id: 'B', kind: 'job', platform: 'mpp', program: { type: 'sql', file: 'b.sql', connection: 'mpp' } },
    { id: 'C', kind: 'job', platform: 'yt', program: { type: 'sql', file: 'c.sql', connection: 'yt' } },
  ] as unknown as Parameters<typeof rehearsalGaps>[0];
  expect(rehearsalGaps(flows, connections)).toEqual([
    { flow: 'A', connection: null },
    { flow: 'B', connection: 'mpp' },
  ]);
});

test('a twin that is a connection of the catalogue is refused: production writes there', () => {
  const text = catalogueText([{ id: 'A' }], {
    connections: [
      { id: 'yt', platform: 'yt', rehearsal: 'mpp' },
      { id: 'mpp', platform: 'yt', rehearsal: 'mpp' },
    ],
  });
  const { ok, problems } = checkCatalogue([{ path: 'a.yaml', text }], 'apply');
  expect(ok).toBe(false);
  expect(problems.map((problem) => [problem.code, problem.id])).toEqual([
    ['bad_combination', 'yt'],
    ['bad_combination', 'mpp'],
  ]);
});

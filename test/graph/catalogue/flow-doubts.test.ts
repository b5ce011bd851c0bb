/** What is well formed and would fail at night: each row one flow, or one entry, with the warning or error that it gets. */
import { expect, test } from 'vitest';
import { checkCatalogue } from '../../../graph/catalogue/check.ts';
import { catalogueText, type ShortFlow } from '../../support/estate.ts';

const found = (flows: readonly ShortFlow[], frame: object = {}) =>
  checkCatalogue([{ path: 'f.yaml', text: catalogueText(flows, { ...frame }) }]).problems.map(
    ({ severity, code, message }) => `${severity} ${code}: ${message.en}`,
  );

type Row = [name: string, given: object, want: RegExp[]];
const shell = (command: readonly string[], more: object = {}) => ({
  program: { type: 'shell', command, ...more },
});
const check = (more: object) => ({ kind: 'check', ...more });

const FLOWS: Row[] = [
  [
    'nothing of it',
    { timeoutMs: 1, startAt: '+1 month, day 1, 01:00', deadline: '+1 month, day 1, 02:00' },
    [],
  ],
  ['a timeout of 0', { timeoutMs: 0 }, [/^warning bad_combination: a timeout of 0/]],
  ['a lease of 0', { leaseMs: 0 }, [/a lease of 0/]],
  [
    'longer than its timeout',
    { timeoutMs: 1_000, expectedMs: 2_000 },
    [/timeout of 1000 ms is shorter than its expected duration of 2000 ms/],
  ],
  [
    'gives up before the second time',
    check({ everyMs: 60_000, giveUpAfterMs: 1_000 }),
    [/gives up after 1000 ms/],
  ],
  ['gives up before the second time, by default', check({ giveUpAfterMs: 30_000 }), [/every 60000 ms/]],
  ['asked without rest', check({ everyMs: 0 }), [/without a pause/]],
  [
    'moments from the opening are not compared',
    { startAt: 'open + 20 s', deadline: '+1 month, day 1, 01:00' },
    [],
  ],
  ['a label twice', { labels: ['a', 'b', 'a'] }, [/'a' is in the list twice/]],
  ['a lock twice', { locks: ['a', 'a'] }, [/'a' is in the list twice/]],
  ['requires itself', { forcePassRequires: ['F'] }, [/it requires itself/]],
  ['no program in the command', shell([' ', 'x']), [/^error bad_combination: the command has no program/]],
  [
    'a variable that cannot be',
    shell(['/bin/true'], { env: { 'A=B': '1' } }),
    [/^error bad_combination: 'A=B' cannot be the name/],
  ],
  [
    'a variable that shells cannot read',
    shell(['/bin/true'], { env: { 'A.B': '1', A_1: '2' } }),
    [/^warning bad_combination: shells cannot read a variable 'A\.B'/],
  ],
  [
    'an argument longer than Linux takes',
    shell(['/bin/echo', 'x'.repeat(131_072)]),
    [/longer than Linux allows/],
  ],
  ['as long as Linux takes', shell(['/bin/echo', 'x'.repeat(131_071)]), []],
  ['counted in bytes', shell(['/bin/echo', '中'.repeat(43_691)]), [/longer than Linux allows/]],
  [
    'a parameter that is not declared',
    shell(['/bin/load', ':regoin', ':period'], {}),
    [/^error bad_combination: no parameter 'regoin' is declared/],
  ],
  [
    'a parameter in the place of a text',
    shell(['sh', '-c', ':run']),
    [/^error bad_combination: the parameter :run is in a place/],
  ],
  [
    'a parameter in the place of the program',
    shell([':run']),
    [/is in a place where the text of a program is expected/],
  ],
  ['a relative program', shell(['bin/load']), [/^warning relative_script: 'bin\/load' is relative to/]],
  [
    'a relative script',
    shell(['sh', '-e', 'programs/load.sh']),
    [/^warning relative_script: 'programs\/load\.sh'/],
  ],
  ['a script in the working folder', shell(['python3', 'load.py', 'x']), [/'load\.py'/]],
  ['a text for the shell', shell(['sh', '-c', 'cd x && ./y']), []],
  ['a program of the path', shell(['sqlldr', 'control=x/y.ctl']), []],
  ['a whole path', shell(['/bin/sh', '/opt/load.sh']), []],
];

test.each(FLOWS)('%s', (_, given, want) => {
  const problems = found([{ id: 'F', ...given }]);
  expect(problems).toHaveLength(want.length);
  for (const [i, pattern] of want.entries()) expect(problems[i]).toMatch(pattern);
});

test('a relative script is named once, however many flows use it', () => {
  const flows = Array.from({ length: 5 }, (_, i) => ({ id: `F${i}`, ...shell(['sh', 'x/load.sh']) }));
  expect(found(flows)).toHaveLength(1);
});

const connections = [{ id: 'yt', platform: 'yt' }];
const entry = {
  id: 'D',
  names: { en: 'D', zh: 'D' },
  cycle: 'month',
  columns: ['m', 'x'],
  periodColumn: 'm',
  from: { connection: 'yt', table: 's.a' },
  to: { connection: 'yt', table: 's.b' },
};
const DISTRIBUTIONS: Row[] = [
  ['sound', {}, []],
  [
    'a column in two spellings',
    { columns: ['m', 'x', 'X'] },
    [/^error bad_combination: column 'x' is in the list twice/],
  ],
  ['no name of a column', { columns: ['m', 'x y'] }, [/^error bad_combination: 'x y' is not a column name/]],
  [
    'the period in no column',
    { periodColumn: 'p' },
    [/^warning bad_combination: 'p' is not one of the columns/],
  ],
  ['the period in another spelling', { periodColumn: 'M' }, []],
  [
    'no name of a table',
    { to: { connection: 'yt', table: 'a.b.c' } },
    [/^error bad_combination: 'a\.b\.c' has to be written as/],
  ],
  ['times are told once for both halves', { timeoutMs: 0 }, [/timeout of 0/]],
];

test.each(DISTRIBUTIONS)('a distribution: %s', (_, given, want) => {
  const problems = found([], { connections, distributions: [{ ...entry, ...given }] });
  expect(problems).toHaveLength(want.length);
  for (const [i, pattern] of want.entries()) expect(problems[i]).toMatch(pattern);
});

const procedures = ['p', 'q'].map((id) => ({ id, names: { en: id, zh: id }, owner: 'o', cycle: 'month' }));
const schedule = { id: 's', cycle: 'month', at: '01:00' };
const SCHEDULES: Row[] = [
  ['sound', { procedures: ['p'] }, []],
  [
    'no flow of the cycle',
    { cycle: 'hour', at: '00:10' },
    [/^warning bad_combination: there is no hour flow/],
  ],
  ['no flow of the procedure', { procedures: ['p', 'q'] }, [/^warning bad_combination: q has no month flow/]],
  ['no procedure', { procedures: [] }, [/names no procedure/]],
];

test.each(SCHEDULES)('a schedule: %s', (_, given, want) => {
  const problems = found([{ id: 'F', procedure: 'p' }], {
    procedures,
    schedules: [{ ...schedule, ...given }],
  });
  expect(problems).toHaveLength(want.length);
  for (const [i, pattern] of want.entries()) expect(problems[i]).toMatch(pattern);
});

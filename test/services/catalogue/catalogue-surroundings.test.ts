/** A catalogue against the agents and people of the installation: warnings with a place, once for what they are about. */
import { expect, test } from 'vitest';
import { type Json, startTestApi } from '../../support/api.ts';
import { createTestDatabase } from '../../support/database.ts';
import { catalogueText, type ShortFlow } from '../../support/estate.ts';

const database = await createTestDatabase('catalogue_surroundings');
const api = await startTestApi(database, { coordinator: false });
const max = await api.actor({ name: 'max', kind: 'person', roles: ['maintainer', 'billing'] });

const connections = [{ id: 'dm', platform: 'dm' }];
const check = async (
  flows: readonly ShortFlow[],
  frame: object = {},
  files: object[] = [],
): Promise<Json[]> => {
  const text = catalogueText(flows, { connections, ...frame });
  const { body } = await max.post('/catalogue/check', { files: [{ path: 'main.yaml', text }, ...files] });
  expect(body.ok).toBe(true);
  return body.problems.map(({ code, id, line, file, message }: Json) => {
    expect({ file: file.startsWith('main.yaml'), line }).toEqual({ file: true, line: expect.any(Number) });
    return `${code} ${id}: ${message.en}`;
  });
};

test('while no agent was ever started, nothing is said of platforms and labels', async () => {
  expect(await check([{ id: 'A', platform: 'anything', labels: ['x'] }])).toEqual([]);
  // From here on there are some.
  await api.pool.query(
    `insert into agents (name, platform, labels, slots, instance, lock_token, version, hello_ms, seen_ms) values
       ('a1', 'yt', '{gpu,big}', 1, '', '', '', 0, 0), ('a2', 'yt', '{old}', 1, '', '', '', 0, 0), ('a3', 'mpp', '{}', 1, '', '', '', 0, 0)`,
  );
});

const ROWS: [name: string, { given: readonly ShortFlow[]; want: RegExp[] }][] = [
  [
    'platforms of agents, and of connections',
    { given: [{ id: 'A' }, { id: 'B', platform: 'dm' }], want: [] },
  ],
  [
    'a platform that nobody has said, once',
    {
      given: [
        { id: 'A', platform: 'ytt' },
        { id: 'B', platform: 'ytt' },
      ],
      want: [/^unknown_platform A: no agent has ever said .* 'ytt' \(2 flows\).*did you mean 'yt'/],
    },
  ],
  [
    'a platform in another case is one warning, not two',
    {
      given: [{ id: 'A', platform: 'YT' }],
      want: [/^spelled_alike A: the platform 'YT' and the platform 'yt' differ/],
    },
  ],
  ['labels that an agent carries together', { given: [{ id: 'A', labels: ['gpu', 'big'] }], want: [] }],
  [
    'a label that nobody carries',
    {
      given: [
        { id: 'A', labels: ['bigg'] },
        { id: 'B', labels: ['bigg'] },
      ],
      want: [/^no_agent A: no agent of yt carries the labels bigg \(2 flows\).*did you mean 'big'/],
    },
  ],
  [
    'labels that nobody carries together',
    {
      given: [{ id: 'A', labels: ['gpu', 'old'] }],
      want: [/^no_agent A: no agent of yt carries the labels gpu, old \(1 flows\)/],
    },
  ],
  [
    'labels that another platform carries',
    { given: [{ id: 'A', platform: 'mpp', labels: ['gpu'] }], want: [/^no_agent A/] },
  ],
  ['a role that somebody has', { given: [{ id: 'A', kind: 'gate', person: { role: 'billing' } }], want: [] }],
  [
    'a role that nobody has',
    {
      given: [
        { id: 'A', kind: 'gate', person: { role: 'regions' } },
        { id: 'B', kind: 'check', person: { role: 'regions' } },
      ],
      want: [/^nobody_confirms A: nobody has the role 'regions': 2 flows could not be confirmed/],
    },
  ],
  [
    'a role in another case',
    { given: [{ id: 'A', kind: 'gate', person: { role: 'Billing' } }], want: [/^spelled_alike A/] },
  ],
];

test.each(ROWS)('%s', async (_, { given, want }) => {
  const problems = await check(given);
  expect(problems).toHaveLength(want.length);
  for (const [i, pattern] of want.entries()) expect(problems[i]).toMatch(pattern);
});

test('tables that two flows write are told by check and by the findings, from declarations, SQL and distributions', async () => {
  const sql = { program: { type: 'sql', file: 'a.sql', connection: 'dm' }, platform: undefined };
  const distributions = [
    {
      id: 'D',
      names: { en: 'D', zh: 'D' },
      cycle: 'month',
      columns: ['m'],
      periodColumn: 'm',
      from: { connection: 'dm', table: 's.a' },
      to: { connection: 'dm', table: 's.b' },
      where: 'm = :period',
    },
  ];
  const flows = [
    { id: 'A', ...sql },
    { id: 'B', platform: 'dm', writes: ['S.B'], after: ['D'] },
  ];
  const program = { path: 'programs/a.sql', text: 'insert into s.b select 1' };
  expect(await check(flows, { distributions }, [program])).toEqual([
    expect.stringMatching(/^unordered_writers D\.import: s\.b is written for the same period by A, too/),
  ]);
  const text = catalogueText(flows, { connections, distributions });
  const applied = await max.post('/catalogue/apply', { files: [{ path: 'main.yaml', text }, program] });
  expect(applied.status).toBe(200);
  const { items } = (await max.get('/catalogue/findings')).body;
  expect(items).toContainEqual({
    flow: 'D.import',
    code: 'unordered_writers',
    side: 'writes',
    table: 's.b',
    detail: 'A',
  });
});

test('the condition of a distribution is parsed, and its parameters are looked for', async () => {
  const given = (where: string) => ({
    files: [
      {
        path: 'main.yaml',
        text: catalogueText([], {
          connections,
          distributions: [
            {
              id: 'D',
              names: { en: 'D', zh: 'D' },
              cycle: 'month',
              columns: ['m'],
              periodColumn: 'm',
              where,
              from: { connection: 'dm', table: 's.a' },
              to: { connection: 'dm', table: 's.b' },
            },
          ],
        }),
      },
    ],
  });
  const codes = async (where: string) =>
    (await max.post('/catalogue/check', given(where))).body.problems.map(
      ({ code, id }: Json) => `${code} ${id}`,
    );
  expect(await codes("m = :period and k in ('a', 'b') -- so")).toEqual([]);
  expect(await codes('m = and')).toEqual(['sql_syntax D']);
  expect(await codes('true; delete from s.a')).toEqual(['sql_syntax D']);
  expect(await codes('m = :perod')).toEqual(['sql_parameter D']);
});

import { expect, test } from 'vitest';
import { checkCatalogue } from '../../../graph/catalogue/check.ts';
import { type KnownNames, spellings } from '../../../graph/catalogue/spelling.ts';
import { catalogueText, type ShortFlow } from '../../support/estate.ts';

function found(flows: readonly ShortFlow[], frame: object = {}, known: KnownNames = {}): string[] {
  const checked = checkCatalogue([{ path: 'f.yaml', text: catalogueText(flows, { ...frame }) }], 'import');
  return spellings(checked.catalogue, checked.flows, known).map(({ path, id, message }) => {
    const [, kind, odd, usual] = /^the (\w+) '(.*?)' and the \w+ '(.*?)'/.exec(message.en) ?? [];
    expect(message.zh).toContain(`'${odd}'`);
    return `${kind} ${odd} (${usual}) in ${id} at ${path.join('.')}`;
  });
}

const names = { en: 'x', zh: 'x' };
const ROWS: [
  name: string,
  { given: readonly ShortFlow[]; frame?: object; known?: KnownNames; want: string[] },
][] = [
  ['nothing alike', { given: [{ id: 'A' }, { id: 'B' }], want: [] }],
  [
    'the rarer platform',
    {
      given: [{ id: 'A', platform: 'YT' }, { id: 'B' }, { id: 'C' }],
      want: ['platform YT (yt) in A at flows.0.platform'],
    },
  ],
  [
    'the first of two equally rare',
    {
      given: [
        { id: 'A', owner: 'Billing' },
        { id: 'B', owner: 'billing' },
      ],
      want: ['owner billing (Billing) in B at flows.1.owner'],
    },
  ],
  [
    'what agents say is the usual',
    {
      given: [
        { id: 'A', platform: 'YT' },
        { id: 'B', platform: 'YT' },
      ],
      known: { platform: ['yt'] },
      want: ['platform YT (yt) in A at flows.0.platform'],
    },
  ],
  [
    'three spellings',
    {
      given: [
        { id: 'A', labels: ['big', 'Big', 'BIG', 'small'] },
        { id: 'B', labels: ['big'] },
      ],
      want: ['label Big (big) in A at flows.0.labels.1', 'label BIG (big) in A at flows.0.labels.2'],
    },
  ],
  ['locks', { given: [{ id: 'A', locks: ['m', 'M'] }], want: ['lock M (m) in A at flows.0.locks.1'] }],
  ['groups', { given: [{ id: 'A', groups: ['g', 'G'] }], want: ['group G (g) in A at flows.0.groups.1'] }],
  ['ids of flows', { given: [{ id: 'A.b' }, { id: 'A.B' }], want: ['flow A.B (A.b) in A.B at flows.1.id'] }],
  [
    'an alias',
    { given: [{ id: 'A' }, { id: 'B', aliases: ['a'] }], want: ['flow a (A) in B at flows.1.aliases.0'] },
  ],
  [
    'roles, as actors have them',
    {
      given: [{ id: 'A', kind: 'gate', person: { role: 'Billing' } }],
      known: { role: ['billing', 'key'] },
      want: ['role Billing (billing) in A at flows.0.person.role'],
    },
  ],
  [
    'events',
    {
      given: [
        { id: 'A', trigger: 'event', event: 'E' },
        { id: 'B', trigger: 'event', event: 'e' },
      ],
      want: ['event e (E) in B at flows.1.event'],
    },
  ],
  [
    'pools, calendars, procedures, connections, schedules',
    {
      given: [{ id: 'A' }],
      frame: {
        pools: [
          { id: 'p', size: 1 },
          { id: 'P', size: 1 },
        ],
        calendars: [{ id: 'c' }, { id: 'C' }],
        procedures: [
          { id: 'q', names, owner: 'o', cycle: 'month' },
          { id: 'Q', names, owner: 'O', cycle: 'month' },
        ],
        connections: [
          { id: 'k', platform: 'yt' },
          { id: 'K', platform: 'yt' },
        ],
        schedules: [
          { id: 's', cycle: 'month', at: '01:00' },
          { id: 'S', cycle: 'month', at: '02:00' },
        ],
      },
      want: [
        'connection K (k) in K at connections.1.id',
        'pool P (p) in P at pools.1.id',
        'calendar C (c) in C at calendars.1.id',
        'schedule S (s) in S at schedules.1.id',
        'procedure Q (q) in Q at procedures.1.id',
        'owner O (o) in Q at procedures.1.owner',
      ],
    },
  ],
];

test.each(ROWS)('%s', (_, { given, frame, known, want }) => {
  expect(found(given, frame, known).toSorted()).toEqual(want.toSorted());
});

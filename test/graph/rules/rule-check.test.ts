import { describe, expect, test } from 'vitest';
import { checkCatalogue } from '../../../graph/catalogue/check.ts';
import { catalogueText } from '../../support/estate.ts';

const FLOWS = [
  { id: 'A', groups: ['night'], layer: 'ODS' },
  { id: 'B', after: ['A'], layer: 'DWD' },
];
const names = { en: 'r', zh: '规则' };

/** What the check says of the rules. */
function said(...rules: object[]): string[] {
  const text = catalogueText(FLOWS, { rules: rules.map((rule, i) => ({ id: `r${i}`, names, ...rule })) });
  return checkCatalogue([{ path: 'c.yaml', text }]).problems.map(
    ({ code, severity, id, line, message }) => `${severity} ${code} ${id} ${line! > 0} ${message.en}`,
  );
}

describe('the check of rules', () => {
  test('a rule in a few words is complete', () => {
    const text = catalogueText(FLOWS, { rules: [{ id: 'r', names, on: 'corrected' }] });
    const { catalogue, problems } = checkCatalogue([{ path: 'c.yaml', text }]);
    expect(problems).toEqual([]);
    expect(catalogue.rules).toEqual([
      {
        id: 'r',
        names,
        on: 'corrected',
        where: {
          flows: [],
          procedures: [],
          groups: [],
          layers: [],
          platforms: [],
          purposes: ['scheduled', 'backfill'],
        },
        do: 'rerun',
        scope: 'stale',
        limits: { perFlowAndDay: 2, perRunAndDay: 10, members: 500, minutes: 480, coolDownMs: 600_000 },
        approval: 'key',
        settleMs: 300_000,
      },
    ]);
  });

  test.each<[string, object, RegExp]>([
    [
      'an unknown flow',
      { on: 'redone', where: { flows: ['AA'] } },
      /error unknown_reference r0 true .*no flow 'AA'/,
    ],
    [
      'an unknown group',
      { on: 'redone', where: { groups: ['nigth'] } },
      /error unknown_reference r0 true .*did you mean 'night'/,
    ],
    [
      'an unknown layer',
      { on: 'redone', where: { layers: ['DWX'] } },
      /unknown_reference r0 true .*no layer 'DWX'/,
    ],
    [
      'a procedure that nobody declares',
      { on: 'redone', where: { procedures: ['P04'] } },
      /unknown_reference/,
    ],
    ['a platform of no flow', { on: 'redone', where: { platforms: ['mpp'] } }, /unknown_reference/],
    [
      'lists that no flow fits together',
      { on: 'redone', where: { flows: ['B'], layers: ['ODS'] } },
      /warning bad_combination r0 true no flow fits all lists/,
    ],
    [
      'a window that is over when it begins',
      { on: 'redone', limits: { window: '08:00-08:00' } },
      /error bad_combination r0 true the window begins and ends at the same time/,
    ],
    [
      'a time that no clock shows',
      { on: 'redone', limits: { window: '24:00-25:00' } },
      /error invalid_value r0/,
    ],
    [
      'a cause without a retry',
      { on: 'cause', causes: ['upstream_failed'] },
      /error bad_combination r0 true on: cause goes with do: retry/,
    ],
    [
      'a cause that is not named',
      { on: 'cause', do: 'retry' },
      /error bad_combination r0 true on: cause needs the causes/,
    ],
    [
      'a cause that a rerun does not remove',
      { on: 'cause', do: 'retry', causes: ['gate_unconfirmed'] },
      /error invalid_value r0 true .*a rerun removes only the causes upstream_failed, interface_failed/,
    ],
    [
      'a retry of flows below',
      { on: 'cause', do: 'retry', causes: ['upstream_failed'], scope: 'downstream' },
      /error bad_combination r0 true a retry runs the failed flow alone/,
    ],
    [
      'a retry of what was corrected',
      { on: 'corrected', do: 'retry' },
      /error bad_combination r0 true do: retry goes with on: cause only/,
    ],
    [
      'causes of a correction',
      { on: 'corrected', causes: ['upstream_failed'] },
      /error bad_combination r0 true causes goes with on: cause only/,
    ],
    [
      'failures of a correction',
      { on: 'redone', failures: ['lost'] },
      /error bad_combination r0 true failures goes with on: cause only/,
    ],
    ['a limit of nothing', { on: 'redone', limits: { members: 0 } }, /error invalid_value r0/],
    ['an unknown field', { on: 'redone', when: 'now' }, /error unknown_field r0/],
    ['rehearsals', { on: 'redone', where: { purposes: ['rehearsal'] } }, /error invalid_value r0/],
  ])('%s', (_, rule, wanted) => {
    const problems = said(rule);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(wanted);
  });

  test('the same id twice', () => {
    expect(said({ id: 'x', on: 'redone' }, { id: 'x', on: 'corrected' })[0]).toMatch(/error duplicate_id x/);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Rule } from '../../../graph/model.ts';
import {
  type FoundPlan,
  judge,
  planAt,
  type RulePast,
  settledAt,
  windowOpens,
} from '../../../graph/rules/judge.ts';
import { runsOr, seed } from '../../support/property.ts';

const rule = (more: object = {}): Rule =>
  Rule.parse({ id: 'r', names: { en: 'r', zh: '规则' }, on: 'corrected', ...more });

const NOW = Date.UTC(2026, 10, 1, 4);
const standing = { enabled: true, depth: 1, approvedKeys: null, hurried: false, now: NOW, zone: 'UTC' };
const plan = (more: Partial<FoundPlan> = {}): FoundPlan => ({
  redone: [{ run: 'month', flow: 'A', key: false }],
  estimateMs: 60_000,
  asks: 0,
  undecided: 0,
  left: 0,
  ...more,
});
const none: RulePast = { redone: [] };
const key = { run: 'month', flow: 'K', key: true };
const earlier = (act: string, ago: number, flow = 'A') => ({ act, run: 'month', flow, at: NOW - ago });
const HOUR = 3_600_000;

describe('what a rule does about newer data', () => {
  test.each<[string, object, Partial<FoundPlan>, RulePast, object, string]>([
    ['nothing has used it', {}, { redone: [] }, none, {}, 'covered nothing_to_redo'],
    ['only runs that stay as they are', {}, { redone: [], left: 1 }, none, {}, 'requested left_out'],
    ['a rule that nobody enabled', {}, {}, none, { enabled: false }, 'reported not_enabled'],
    ['within all limits', {}, {}, none, {}, 'apply'],
    ['a key flow', {}, { redone: [key] }, none, {}, 'requested key_flows'],
    ['a key flow, and the rule never asks', { approval: 'never' }, { redone: [key] }, none, {}, 'apply'],
    ['a rule that always asks', { approval: 'always' }, {}, none, {}, 'requested approval_always'],
    ['a gate that asks again', {}, { asks: 1 }, none, {}, 'requested person_is_asked'],
    ['a flow of unknown outcome', {}, { undecided: 1 }, none, {}, 'requested person_decides_first'],
    [
      'too many flows',
      { limits: { members: 1 } },
      { redone: [key, key] },
      none,
      {},
      'requested too_many_members',
    ],
    ['too long', { limits: { minutes: 1 } }, { estimateMs: 60_001 }, none, {}, 'requested too_long'],
    ['the fourth rule in a row', {}, {}, none, { depth: 4 }, 'requested chain_too_deep'],
    [
      'a flow that was redone twice today',
      {},
      {},
      { redone: [earlier('a', HOUR), earlier('b', 2 * HOUR)] },
      {},
      'requested flow_limit',
    ],
    [
      'a flow that was redone twice, the day before',
      {},
      {},
      { redone: [earlier('a', 25 * HOUR), earlier('b', 26 * HOUR)] },
      {},
      'apply',
    ],
    [
      'a run in which it acted often enough',
      { limits: { perRunAndDay: 2 } },
      {},
      { redone: [earlier('a', HOUR, 'B'), earlier('a', HOUR, 'C'), earlier('b', HOUR, 'B')] },
      {},
      'requested run_limit',
    ],
    [
      'a run in which it has just acted',
      {},
      {},
      { redone: [earlier('a', 1_000, 'B')] },
      {},
      'wait cool_down',
    ],
    [
      'a run in which it has just acted, and a person says that it need not rest',
      {},
      {},
      { redone: [earlier('a', 1_000, 'B')] },
      { hurried: true },
      'apply',
    ],
    ['outside of its window', { limits: { window: '22:00-02:00' } }, {}, none, {}, 'wait outside_window'],
    ['inside of its window', { limits: { window: '22:00-06:00' } }, {}, none, {}, 'apply'],
    [
      'approved, with the same key flows',
      {},
      { redone: [key] },
      none,
      { approvedKeys: ['month K'] },
      'apply',
    ],
    [
      'approved, and a key flow has come to it',
      {},
      { redone: [key] },
      none,
      { approvedKeys: [] },
      'requested key_flows_changed',
    ],
    [
      'approved beyond a limit',
      { limits: { members: 1 } },
      { redone: [key, key] },
      none,
      { approvedKeys: ['month K'] },
      'apply',
    ],
  ])('%s', (_, more, found, past, stands, wanted) => {
    const judged = judge(rule(more), plan(found), past, { ...standing, ...stands });
    expect(
      [judged.do === 'end' ? judged.state : judged.do, 'code' in judged ? judged.code : ''].join(' ').trim(),
    ).toBe(wanted);
  });

  test('a wait ends: when it has rested, and when its window opens', () => {
    const rests = judge(rule(), plan(), { redone: [earlier('a', 1_000, 'B')] }, standing);
    expect(rests).toMatchObject({ until: NOW - 1_000 + 600_000 });
    const waits = judge(rule({ limits: { window: '05:30-06:00' } }), plan(), none, standing);
    expect(waits).toMatchObject({ until: NOW + 1.5 * HOUR });
  });

  test('whatever it has redone before, it never acts beyond its limits by itself', () => {
    const item = fc.record({
      act: fc.constantFrom('a', 'b', 'c', 'd'),
      run: fc.constantFrom('r1', 'r2'),
      flow: fc.constantFrom('A', 'B', 'C'),
      at: fc.integer({ min: NOW - 30 * HOUR, max: NOW }),
    });
    const member = fc.record({
      run: fc.constantFrom('r1', 'r2'),
      flow: fc.constantFrom('A', 'B', 'C'),
      key: fc.boolean(),
    });
    const limits = fc.record({
      perFlowAndDay: fc.integer({ min: 1, max: 3 }),
      perRunAndDay: fc.integer({ min: 1, max: 3 }),
      members: fc.integer({ min: 1, max: 4 }),
      coolDownMs: fc.constantFrom(0, HOUR),
    });
    let applied = 0;
    const numRuns = runsOr(3_000);
    fc.assert(
      fc.property(
        fc.array(item, { maxLength: 8 }),
        fc.uniqueArray(member, { minLength: 1, maxLength: 5, selector: ({ run, flow }) => run + flow }),
        limits,
        (redone, members, given) => {
          const judged = judge(rule({ limits: given }), plan({ redone: members }), { redone }, standing);
          if (judged.do !== 'apply') return;
          applied++;
          const today = redone.filter(({ at }) => at > NOW - 24 * HOUR);
          for (const { run, flow } of members)
            expect(today.filter((past) => past.run === run && past.flow === flow).length).toBeLessThan(
              given.perFlowAndDay,
            );
          for (const run of new Set(members.map((entry) => entry.run)))
            expect(
              new Set(today.filter((past) => past.run === run).map((past) => past.act)).size,
            ).toBeLessThan(given.perRunAndDay);
          expect(members.length).toBeLessThanOrEqual(given.members);
          expect(members.some((entry) => entry.key)).toBe(false);
          for (const run of members.map((entry) => entry.run))
            expect(redone.every((past) => past.run !== run || past.at + given.coolDownMs <= NOW)).toBe(true);
        },
      ),
      { seed, numRuns },
    );
    expect(applied).toBeGreaterThan(numRuns / 20);
  });
});

describe('when what has gathered has settled', () => {
  test('when nothing more has come for the time of the rule', () => {
    expect(settledAt({ settleMs: 100 }, [1_000])).toBe(1_100);
    expect(settledAt({ settleMs: 100 }, [1_000, 1_050])).toBe(1_150);
  });

  test('or, when more and more comes, after twelve times that time', () => {
    const moments = Array.from({ length: 100 }, (_, i) => 1_000 + i * 50);
    expect(settledAt({ settleMs: 100 }, moments)).toBe(2_200);
  });
});

test('a window opens at its first minute that the clock shows, also where it skips an hour', () => {
  // On 29 March 2026 clocks in Berlin go from 02:00 to 03:00.
  const midnight = Date.UTC(2026, 2, 28, 23);
  expect(windowOpens('02:30-04:00', midnight, 'Europe/Berlin')).toBe(Date.UTC(2026, 2, 29, 1));
  expect(windowOpens('00:00-01:00', midnight, 'Europe/Berlin')).toBe(midnight);
});

describe('when acts are planned', () => {
  const act = { at: 1_000, dueAt: 0, code: null, hurried: false, approvedBy: null };
  const rule = { settleMs: 500 };

  test.each([
    ['once they have settled', act, 1_500],
    ['not before what they wait for', { ...act, dueAt: 9_000, code: 'outside_window' }, 9_000],
    ['at once when a person has approved', { ...act, approvedBy: 'kim' }, 0],
    [
      'after the rest, approved or not',
      { ...act, approvedBy: 'kim', dueAt: 9_000, code: 'cool_down' },
      9_000,
    ],
    ['at once when they are hurried', { ...act, hurried: true }, 0],
    ['without the rest when hurried', { ...act, hurried: true, dueAt: 9_000, code: 'cool_down' }, 0],
    ['without settling when hurried', { ...act, hurried: true, dueAt: 9_000, code: 'settling' }, 0],
    ['in the window, hurried or not', { ...act, hurried: true, dueAt: 9_000, code: 'outside_window' }, 9_000],
  ])('%s', (_, given, want) => {
    expect(planAt(rule, [given])).toBe(want);
  });
});

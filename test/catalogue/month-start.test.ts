/** The shape of the month start, told a second time: every step, what it waits for, who carries it out. */
import { describe, expect, test } from 'vitest';
import { Catalogue, type Flow } from '../../graph/model.ts';
import { flowOf, shipped } from './shipped.ts';

const regions = Array.from({ length: 13 }, (_, i) => `P01.S3.Region${String(i + 1).padStart(2, '0')}`);
const prefixed = (prefix: string, names: string): string[] =>
  names
    .trim()
    .split(/\s+/)
    .map((name) => `${prefix}.${name}`);

/** Steps in order; every flow of a step waits for exactly `after`. Kind and runner are the step's. */
interface Step {
  readonly flows: readonly string[];
  readonly after: readonly string[];
  readonly kind: Flow['kind'];
  readonly runner: Flow['runner'];
}

const step = (
  kind: Flow['kind'],
  runner: Flow['runner'],
  flows: readonly string[],
  after: readonly string[],
): Step => ({ kind, runner, flows, after });

const merges = prefixed('P04.S3', 'DwdMergeBillM DwdMergeBillProdM DwdMergeBillItemM DwdMergeBillDtl4M');
const details = prefixed(
  'P04.S5',
  `DwdAccPrepaySplitedM DwdSvcGrpMemProdM DwdSvcGrpSrvAttrM DwdSvcUsrOXXtateM DwdPrtyGrpInfoM DwdAccWriteoffRecM
   DwdAccAdjustBusiRecDmM DwdAccPocketM DwdAccSumBillM DwdAccGrpAdjustM DwdAccGrpOweInfoM DwdAccOweM`,
);
const dayMerges = prefixed(
  'P05.S1',
  'DwdMergeRcBillDtlD DwdMergePromBillD DwdMergeSrvcDtl1D DwdMergeDailyBillD DwdMergeUsageBilltD DwdMergeBillDtl3D',
);
const dayItems = prefixed('P05.S2', 'DwdAccItemDtlD DwdAccFinItemDtlD');
const dimensions = prefixed('P02.S5', 'DimEvtIvrNode DimEvtCsrSkill DimAccWmsNavtreemap');
const inPlace = prefixed('P04.S2', 'DataInPlaceYt DataInPlaceDb24');
const postFlows = prefixed('P06.S5', 'PostFlow01 PostFlow02');

const STEPS: readonly Step[] = [
  step('check', 'person', ['P01.S1.StationFilesImported'], []),
  step('notify', 'engine', ['P01.S2.RemindRegions'], ['P01.S1.StationFilesImported']),
  step('gate', 'person', regions, ['P01.S2.RemindRegions']),
  step('check', 'person', ['P01.S4.VerifyStations'], regions),
  step('notify', 'engine', ['P01.S5.MailFollowers'], ['P01.S4.VerifyStations']),

  step('gate', 'person', ['P02.S1.CustomerNotice'], []),
  step('distribution', 'agent', ['P02.S2.DistributeRptVr011.export'], ['P02.S1.CustomerNotice']),
  step('distribution', 'agent', ['P02.S2.DistributeRptVr011.import'], ['P02.S2.DistributeRptVr011.export']),
  step('check', 'agent', ['P02.S3.CheckRptVr011'], ['P02.S2.DistributeRptVr011.import']),
  step('job', 'agent', ['P02.S4.DimAccItemCode'], ['P02.S3.CheckRptVr011']),
  step('job', 'agent', dimensions, ['P02.S4.DimAccItemCode']),
  step('check', 'person', ['P02.S6.ConfirmAll'], dimensions),

  step('gate', 'person', ['P03.S1.CustomerNotice'], []),
  step('job', 'agent', ['P03.S2.UpdateMainPlan'], ['P03.S1.CustomerNotice']),
  step('job', 'agent', ['P03.S3.CompletionFlag'], ['P03.S2.UpdateMainPlan']),

  step('gate', 'person', ['P04.S1.BillingVerified'], []),
  step('check', 'agent', inPlace, ['P04.S1.BillingVerified']),
  step('job', 'agent', merges, inPlace),
  step('job', 'agent', ['P04.S4.DwdAccFinItemDtlM'], merges),
  step('job', 'agent', details, ['P04.S4.DwdAccFinItemDtlM']),
  step('job', 'agent', ['P04.S6.DwdMergeBillDtl4M_MPP'], details),
  step('check', 'person', ['P04.S7.AllSucceeded'], ['P04.S6.DwdMergeBillDtl4M_MPP']),

  step('job', 'agent', dayMerges, ['P04.S7.AllSucceeded']),
  step('job', 'agent', dayItems, dayMerges),
  step('job', 'agent', ['P05.S3.DwdAccPrepaySplitedD'], dayItems),
  step('check', 'person', ['P05.S4.Confirm'], ['P05.S3.DwdAccPrepaySplitedD']),

  step('gate', 'person', ['P06.S1.LocalizedTableVerified'], []),
  step('gate', 'person', ['P06.S2.CustomerMail'], ['P06.S1.LocalizedTableVerified']),
  step('distribution', 'agent', ['P06.S3.DistributionComplete.export'], ['P06.S2.CustomerMail']),
  step(
    'distribution',
    'agent',
    ['P06.S3.DistributionComplete.import'],
    ['P06.S3.DistributionComplete.export'],
  ),
  step('job', 'agent', ['P06.S4.ForcePassMppTasks'], ['P06.S3.DistributionComplete.import']),
  step('job', 'agent', postFlows, ['P06.S4.ForcePassMppTasks']),
  step('check', 'person', ['P06.S6.Confirm'], postFlows),
];

describe('the catalogue of the month start', () => {
  test('has no problem, not even a warning', () => {
    expect(shipped.problems).toEqual([]);
    expect(shipped.ok).toBe(true);
  });

  test('is a catalogue by its schema', () => {
    expect(() => Catalogue.parse(shipped.catalogue)).not.toThrow();
  });

  test('has exactly the flows of the six procedures, 69 with the halves of the distributions', () => {
    const expected = STEPS.flatMap((other) => other.flows).sort();
    expect(expected).toHaveLength(69);
    expect(shipped.flows.map((flow) => flow.id).sort()).toEqual(expected);
  });

  test.each(STEPS.map((other) => [other.flows[0]!, other] as const))(
    'the step of %s waits for exactly its upstream flows and is of its kind',
    (_, { flows, after, kind, runner }) => {
      for (const id of flows) {
        const flow = flowOf(id);
        expect([...flow.after].sort((a, b) => (a.from < b.from ? -1 : 1))).toEqual(
          [...after].sort().map((from) => ({ from, period: 'same' })),
        );
        expect({ id, kind: flow.kind, runner: flow.runner }).toEqual({ id, kind, runner });
      }
    },
  );

  test('ids say procedure and step, and every flow has an owner and two names', () => {
    for (const flow of shipped.flows) {
      const [procedure, number] = flow.id.split('.');
      expect([flow.procedure, `S${flow.step}`]).toEqual([procedure, number]);
      expect(flow.owner, flow.id).toBeTruthy();
      expect(flow.names.en, flow.id).toMatch(/^[\x20-\x7e]+$/);
      expect(flow.names.zh, flow.id).toMatch(/\p{Script=Han}/u);
    }
  });

  test('jobs keep the level that their procedure prints', () => {
    const levels: [readonly string[], number][] = [
      [['P02.S4.DimAccItemCode', ...merges, ...dayMerges], 1],
      [[...dimensions, 'P04.S4.DwdAccFinItemDtlM', ...dayItems], 2],
      [[...details, 'P05.S3.DwdAccPrepaySplitedD'], 3],
      [['P04.S6.DwdMergeBillDtl4M_MPP'], 4],
    ];
    const expected = Object.fromEntries(levels.flatMap(([ids, level]) => ids.map((id) => [id, level])));
    const actual = Object.fromEntries(
      shipped.flows.flatMap(({ id, sourceLevel }) => (sourceLevel === undefined ? [] : [[id, sourceLevel]])),
    );
    expect(actual).toEqual(expected);
  });

  test('programs run on the appliance, except those of the MPP', () => {
    const onMpp = shipped.flows.filter((flow) => flow.platform === 'mpp').map((flow) => flow.id);
    expect(onMpp.sort()).toEqual([
      'P04.S6.DwdMergeBillDtl4M_MPP',
      'P06.S3.DistributionComplete.export',
      'P06.S3.DistributionComplete.import',
      'P06.S4.ForcePassMppTasks',
      ...postFlows,
    ]);
    for (const flow of shipped.flows.filter((flow) => flow.runner === 'agent'))
      expect(['yt', 'mpp'], flow.id).toContain(flow.platform);
    expect(flowOf('P04.S2.DataInPlaceDb24')).toMatchObject({
      platform: 'yt',
      program: { connection: 'db24' },
    });
  });
});

describe('the special flows of the month start', () => {
  test('four flows are started by a person, one of them with its downstream', () => {
    const manual = shipped.flows.filter((flow) => flow.trigger === 'manual');
    expect(manual.map((flow) => [flow.id, flow.onTrigger ?? null])).toEqual([
      ['P02.S4.DimAccItemCode', 'downstream'],
      ['P03.S2.UpdateMainPlan', null],
      ['P03.S3.CompletionFlag', null],
      ['P06.S4.ForcePassMppTasks', null],
    ]);
    expect(shipped.flows.filter((flow) => flow.trigger !== 'manual' && flow.trigger !== 'auto')).toEqual([]);
  });

  test('the task of the localized table may be passed only after the import of the distribution', () => {
    expect(flowOf('P06.S4.ForcePassMppTasks').forcePassRequires).toEqual([
      'P06.S3.DistributionComplete.import',
    ]);
    expect(shipped.flows.filter((flow) => flow.forcePassRequires.length > 0)).toHaveLength(1);
  });

  test('the month-end day programs belong to the month and work on its last day, as key flows', () => {
    for (const id of [...dayMerges, ...dayItems, 'P05.S3.DwdAccPrepaySplitedD'])
      expect(flowOf(id)).toMatchObject({ cycle: 'month', period: 'lastDayOfMonth', key: true });
    expect(shipped.flows.filter((flow) => flow.period !== 'same' || flow.key)).toHaveLength(9);
  });

  test('each region confirms by itself, is reminded twice on the 1st, and its supervisor hears at 20:00', () => {
    regions.forEach((id, i) => {
      const role = `region${String(i + 1).padStart(2, '0')}`;
      expect(flowOf(id)).toMatchObject({
        deadline: '+1 month, day 1, 23:59',
        person: {
          role,
          remindAt: ['+1 month, day 1, 12:00', '+1 month, day 1, 18:00'],
          escalateAt: '+1 month, day 1, 20:00',
          escalateTo: 'serviceSupervisor',
        },
      });
    });
  });

  test('everything outside the base stations is due on the 7th, in the time of one calendar', () => {
    for (const flow of shipped.flows) {
      if (flow.deadline !== undefined) expect(flow.calendar, flow.id).toBe('china');
      if (flow.procedure === 'P01' || flow.id.endsWith('.export')) continue;
      expect(flow.deadline, flow.id).toBe('+1 month, day 7, 23:00');
    }
    expect(shipped.catalogue.calendars).toMatchObject([{ id: 'china', timeZone: 'Asia/Shanghai' }]);
  });

  test('checks by an agent are repeated and give up, people are asked by role', () => {
    for (const flow of shipped.flows.filter((flow) => flow.kind === 'check' && flow.runner === 'agent'))
      expect(flow.giveUpAfterMs!, flow.id).toBeGreaterThan(flow.everyMs!);
    const roles = new Set(shipped.flows.flatMap((flow) => (flow.person ? [flow.person.role] : [])));
    const regionRoles = regions.map((id) => id.replace('P01.S3.R', 'r'));
    expect([...roles].sort()).toEqual(['billing', 'customer', 'maintainer', ...regionRoles].sort());
  });

  test('the distributions carry the report table to the appliance and the localized users to the MPP', () => {
    const sides = shipped.catalogue.distributions.map(({ id, from, to }) => [
      id,
      `${from.connection} ${from.table}`,
      `${to.connection} ${to.table}`,
    ]);
    expect(sides).toEqual([
      ['P02.S2.DistributeRptVr011', 'mpp shfin.r_vr011', 'yt shfin.rpt_vr011'],
      ['P06.S3.DistributionComplete', 'yt dwd.dwd_usr_localized_m', 'mpp dwd_mpp.dwd_usr_localized_m'],
    ]);
  });
});

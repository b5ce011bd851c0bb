/** The estate as a catalogue: YAML that `sluice catalogue check` accepts, one file for each kind of thing. */

import { makeEstate } from './estate.ts';
import type { Estate, EstateFlow, Mapping } from './model.ts';

export interface EstateFile {
  readonly path: string;
  readonly text: string;
}

export interface CatalogueOptions {
  /** Programs are `noop` and take their typical time divided by this; default 1,000. */
  readonly speedup?: number;
  /**
   * Distributions as pairs of `noop` jobs, so that agents can carry the whole estate out without a database. Default: entries of
   * `distributions`, whose halves are real copies.
   */
  readonly noop?: boolean;
}

const FRAME = `# Made by npm run estate.
calendars:
  - id: china
    timeZone: Asia/Shanghai
    holidays: [2026-01-01, 2026-02-16, 2026-02-17, 2026-02-18, 2026-05-01, 2026-10-01, 2026-10-02, 2026-10-03]
    makeUpDays: [2026-02-14, 2026-10-10]
connections:
  - { id: yt, platform: yt }
  - { id: mpp, platform: mpp }
pools:
  - { id: ytLoads, size: 64 }
  - { id: mppLoads, size: 64 }
  - { id: heavy, size: 16 }
  - { id: agentA, size: 32 }
  - { id: agentB, size: 32 }
  - { id: agentC, size: 32 }
procedures:
  - { id: H01, names: { en: Hourly usage, zh: 小时话单 }, owner: usage, cycle: hour }
  - { id: D01, names: { en: Day chain, zh: 日流程 }, owner: usage, cycle: day }
  - { id: M01, names: { en: Month start, zh: 月初流程 }, owner: billing, cycle: month }
`;

/** Files of an estate, in the order of their paths. The same for the same estate and options, byte for byte. */
export function catalogueOf(estate: Estate, options: CatalogueOptions = {}): EstateFile[] {
  const texts = new Map<string, string[]>([['frame.yaml', [FRAME]]]);
  for (const flow of estate.flows) {
    const copy = flow.distribution !== null && options.noop !== true;
    if (copy && flow.distribution.half === 'import') continue;
    const path = pathOf(flow);
    let text = texts.get(path);
    if (text === undefined) {
      text = [copy ? 'distributions:\n' : 'flows:\n'];
      texts.set(path, text);
    }
    text.push(copy ? distributionText(flow, estate) : flowText(flow, options));
  }
  return [...texts].map(([path, text]) => ({ path, text: text.join('') }));
}

/** The catalogue of an estate of `flows` flows. */
export function estate(flows: number, seed = 42, options: CatalogueOptions = {}): EstateFile[] {
  return catalogueOf(makeEstate({ flows, seed }), options);
}

const PER_FILE = 1_000;

function pathOf({ kind, cycle, v }: EstateFlow): string {
  const part = kind === 'interface' ? 'interfaces' : kind === 'distribution' ? 'distributions' : 'programs';
  return `${part}-${cycle}-${String(Math.floor(v / PER_FILE)).padStart(2, '0')}.yaml`;
}

function flowText(flow: EstateFlow, { speedup = 1000 }: CatalogueOptions): string {
  const lines = [
    `  - id: ${flow.id}`,
    // Half of a distribution as a program of its own.
    `    kind: ${flow.kind === 'distribution' ? 'job' : flow.kind}`,
    ...shared(flow),
  ];
  if (flow.platform !== null)
    lines.push(
      `    platform: ${flow.platform}`,
      `    program: { type: noop, ms: ${Math.round(flow.baseMs / speedup)} }`,
    );
  if (flow.kind === 'gate' || flow.kind === 'check')
    lines.push('    person:', '      role: billing', '      remindAt: ["+1 month, day 1, 12:00"]');
  if (flow.kind === 'notify')
    lines.push('    notice: { to: maintainer, en: The month is done., zh: 月流程已完成。 }');
  if (flow.deadline !== null) lines.push('    calendar: china', `    deadline: "${flow.deadline}"`);
  return `${[...lines, ...afterLines(flow)].join('\n')}\n`;
}

/** One entry for both halves; what others wait for, the import, has the deadline. */
function distributionText(half: EstateFlow, { flows }: Estate): string {
  const { id, from, to } = half.distribution!;
  const { deadline } = flows[half.v + 1]!;
  const whole = {
    ...half,
    names: { en: half.names.en.replace(' (export)', ''), zh: half.names.zh.replace('（出库）', '') },
  };
  const lines = [
    `  - id: ${id}`,
    ...shared(whole),
    `    from: { connection: ${from.connection}, table: ${from.table} }`,
    `    to: { connection: ${to.connection}, table: ${to.table} }`,
    '    columns: [period_id, subject_id, amount]',
    '    periodColumn: period_id',
  ];
  if (deadline !== null) lines.push('    calendar: china', `    deadline: "${deadline}"`);
  return `${[...lines, ...afterLines(half)].join('\n')}\n`;
}

function shared(flow: EstateFlow): string[] {
  const lines = [
    `    names: { en: "${flow.names.en}", zh: "${flow.names.zh}" }`,
    `    cycle: ${flow.cycle}`,
    `    layer: ${flow.layer}`,
    `    owner: ${flow.owner}`,
  ];
  if (flow.procedure !== null) lines.push(`    procedure: ${flow.procedure}`);
  if (flow.key) lines.push('    key: true');
  if (flow.groups.length > 0) lines.push(`    groups: [${flow.groups.join(', ')}]`);
  if (flow.pool !== null) lines.push(`    uses: [{ pool: ${flow.pool} }]`);
  if (flow.retries > 0) lines.push(`    retries: { program: ${flow.retries} }`);
  if (flow.startAt !== null)
    lines.push(
      '    trigger: time',
      `    startAt: "${flow.startAt}"`,
      ...(flow.deadline === null ? ['    calendar: china'] : []),
    );
  return lines;
}

function afterLines({ after }: EstateFlow): string[] {
  return after.length === 0 ? [] : ['    after:', ...after.map(({ from, period }) => edgeText(from, period))];
}

function edgeText({ id, cycle }: EstateFlow, period: Mapping): string {
  if (period === 'same') return `      - ${id}`;
  const how = typeof period === 'object' ? `{ offset: ${period.offset} }` : period;
  return `      - { flow: ${id}, period: ${how}, cycle: ${cycle} }`;
}

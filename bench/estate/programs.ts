/** Programs of the estate: layer upon layer within a cycle, over interfaces and distributions, and from cycle to cycle. */
import type { Distribution, EstateEdge, EstateFlow, Growing, Mapping } from './model.ts';

const edge = (from: EstateFlow, period: Mapping = 'same'): EstateEdge => ({ from, period });
const edges = (from: readonly EstateFlow[], period: Mapping = 'same'): EstateEdge[] =>
  from.map((entry) => edge(entry, period));
const numbered = (n: number): string => String(n + 1).padStart(4, '0');

/** ODS programs of each hour. */
export function hourPrograms(
  { draws, add }: Growing,
  count: number,
  loads: readonly EstateFlow[],
): EstateFlow[] {
  return Array.from({ length: count }, (_, i) =>
    add({
      id: `OdsUsageHour${numbered(i)}H`,
      kind: 'job',
      cycle: 'hour',
      layer: 'ODS',
      names: { en: `Hourly usage ${i + 1}`, zh: `小时话单 ${i + 1}` },
      procedure: 'H01',
      baseMs: Math.round(45_000 * draws.noise(0.4)),
      after: edges(draws.some(loads, 1 + draws.below(3))),
    }),
  );
}

/** Layers of the day's programs with their share; what a layer reads comes from layers before it. */
const LAYERS = [
  { layer: 'DIM', prefix: 'Dim', en: 'Dimension', zh: '维度', share: 0.06 },
  { layer: 'DWD', prefix: 'Dwd', en: 'Base model', zh: '基础模型', share: 0.4 },
  { layer: 'DWA', prefix: 'Dwa', en: 'Summary', zh: '汇总模型', share: 0.3 },
  { layer: 'APP', prefix: 'App', en: 'Application', zh: '应用', share: 0.24 },
] as const;

/** What a layer may read: flows of earlier layers, and imports of distributions of their tables. */
interface Below {
  readonly flows: Record<'ODS' | 'DIM' | 'DWD' | 'DWA' | 'APP', EstateFlow[]>;
  readonly imports: EstateFlow[];
}

/** Day programs and all distributions. Answers the programs. */
export function dayPrograms(
  estate: Growing,
  counts: { readonly day: number; readonly distribution: number },
  loads: readonly EstateFlow[],
  hours: readonly EstateFlow[],
): EstateFlow[] {
  const { day: count, distribution: distributions } = counts;
  const below: Below = { flows: { ODS: [...loads], DIM: [], DWD: [], DWA: [], APP: [] }, imports: [] };
  // A third of the distributions move interfaces' tables, the others follow the layer that makes their table.
  const shares = { ODS: 0.3, DIM: 0.05, DWD: 0.25, DWA: 0.2, APP: 0.2 };
  let made = 0;
  const distribute = (layer: keyof typeof shares, upTo: number): void => {
    for (; made < upTo; made++) below.imports.push(addDistribution(estate, made, below.flows[layer], layer));
  };
  distribute('ODS', Math.round(distributions * shares.ODS));
  let upTo = shares.ODS;
  let first = 0;
  LAYERS.forEach(({ layer }, l) => {
    const end = Math.round(count * LAYERS.slice(0, l + 1).reduce((sum, layer) => sum + layer.share, 0));
    for (let i = first; i < end; i++)
      below.flows[layer].push(addDayProgram(estate, l, i - first, below, hours));
    first = end;
    upTo += shares[layer];
    distribute(layer, layer === 'APP' ? distributions : Math.round(distributions * upTo));
  });
  return LAYERS.flatMap(({ layer }) => below.flows[layer]);
}

function addDayProgram(
  { draws, add }: Growing,
  l: number,
  i: number,
  { flows, imports }: Below,
  hours: readonly EstateFlow[],
): EstateFlow {
  const { layer, prefix, en, zh } = LAYERS[l]!;
  const after: EstateEdge[] = [];
  const from = (list: readonly EstateFlow[], least: number, most: number): void => {
    after.push(...edges(draws.some(list, least + draws.below(most - least + 1))));
  };
  if (layer === 'DIM') from(flows.ODS, 1, 2);
  if (layer === 'DWD') {
    from(flows.ODS, 1, 4);
    if (draws.chance(0.4)) from(flows.DIM, 1, 2);
    if (i === 0 || draws.chance(0.03)) after.push(edge(draws.pick(hours), 'everyHourOfDay'));
  }
  if (layer === 'DWA') {
    from(flows.DWD, 2, 4);
    if (draws.chance(0.3)) from(flows.DIM, 1, 1);
  }
  if (layer === 'APP') {
    from(flows.DWA, 1, 3);
    if (draws.chance(0.5)) from(flows.DWD, 1, 2);
  }
  if (layer !== 'DIM' && draws.chance(0.25)) from(imports, 1, 2);
  const key = layer === 'APP' ? draws.chance(0.2) : layer === 'DWA' && draws.chance(0.05);
  const groups = [
    ...(layer === 'DWD' ? ['dwdayrun'] : []),
    ...(key && draws.chance(0.3) ? ['hotSpot'] : []),
    ...(key && draws.chance(0.3) ? ['sevenOClock'] : []),
    ...(draws.chance(0.06) ? ['firstLevelBiPre'] : []),
  ];
  const flow = add({
    id: `${prefix}${numbered(i)}D`,
    kind: 'job',
    cycle: 'day',
    layer,
    names: { en: `${en} ${i + 1}`, zh: `${zh} ${i + 1}` },
    procedure: 'D01',
    key,
    groups,
    deadline: key ? '+1 day, 07:00' : layer === 'APP' ? '+1 day, 09:00' : null,
    pool: draws.chance(0.15) ? 'heavy' : null,
    baseMs: Math.round((layer === 'DWD' ? 240_000 : 120_000) * draws.noise(0.9)),
    after,
  });
  // Running sums: today's needs yesterday's own.
  if (layer !== 'DIM' && draws.chance(0.1)) after.push(edge(flow, 'previous'));
  return flow;
}

function addDistribution(
  { draws, add }: Growing,
  i: number,
  producers: readonly EstateFlow[],
  layer: EstateFlow['layer'],
): EstateFlow {
  const producer = draws.pick(producers);
  const from = producer.platform ?? 'yt';
  const to = from === 'yt' ? 'mpp' : 'yt';
  const id = `Dist${numbered(i)}`;
  const table = `${layer.toLowerCase()}.${producer.id.toLowerCase().replaceAll('.', '_')}`;
  const sides: Omit<Distribution, 'half'> = {
    id,
    from: { connection: from, table },
    to: { connection: to, table: `${table}_d${i + 1}` },
  };
  const shared = {
    kind: 'distribution',
    cycle: 'day',
    layer,
    owner: draws.pick(['billing', 'report', 'network']),
    platform: to,
    pool: `agent${'ABC'[i % 3]}`,
    retries: 1,
  } as const;
  const ms = 15_000 * draws.noise(0.7);
  const start = add({
    ...shared,
    id: `${id}.export`,
    names: { en: `Distribution ${i + 1} (export)`, zh: `分发 ${i + 1}（出库）` },
    distribution: { ...sides, half: 'export' },
    baseMs: Math.round(ms),
    after: [edge(producer)],
  });
  return add({
    ...shared,
    id: `${id}.import`,
    names: { en: `Distribution ${i + 1} (import)`, zh: `分发 ${i + 1}（入库）` },
    distribution: { ...sides, half: 'import' },
    baseMs: Math.round(ms * 0.7),
    deadline: layer === 'APP' ? '+1 day, 10:00' : null,
    after: [edge(start)],
  });
}

/** The month start over the days of the month: gates, base, summary, application, a notice at the end. */
export function monthPrograms(
  { draws, add }: Growing,
  count: number,
  loads: readonly EstateFlow[],
  days: readonly EstateFlow[],
): void {
  const shared = { cycle: 'month', procedure: 'M01' } as const;
  const billing = add({
    ...shared,
    id: 'BillingFinished',
    kind: 'gate',
    layer: 'ODS',
    names: { en: 'Billing finished and verified', zh: '出账完成并核对' },
    deadline: '+1 month, day 3, 12:00',
  });
  const located = add({
    ...shared,
    id: 'UsersVerified',
    kind: 'check',
    layer: 'DIM',
    names: { en: 'Localized users verified', zh: '属地化用户核对' },
    after: edges(draws.some(loads, 3)),
  });
  const base: EstateFlow[] = [];
  const summary: EstateFlow[] = [];
  const jobs = count - 3;
  for (let i = 0; i < jobs; i++) {
    const layer = i < jobs * 0.5 ? 'DWD' : i < jobs * 0.8 ? 'DWA' : 'APP';
    const after: EstateEdge[] = [];
    if (layer === 'DWD') {
      after.push(edge(i % 5 === 4 ? located : billing), ...edges(draws.some(loads, 1 + draws.below(2))));
      after.push(...edges(draws.some(days, 1 + draws.below(3)), 'lastDayOfMonth'));
      if (i === 0 || draws.chance(0.2)) after.push(edge(draws.pick(days), 'everyDayOfMonth'));
    }
    if (layer === 'DWA') after.push(...edges(draws.some(base, 2 + draws.below(3))));
    if (layer === 'APP') after.push(...edges(draws.some(summary, 1 + draws.below(3))));
    const prefix = `${layer[0]}${layer.slice(1).toLowerCase()}`;
    const flow = add({
      ...shared,
      id: `${prefix}Month${numbered(i)}M`,
      kind: 'job',
      layer,
      names: { en: `Month ${layer} ${i + 1}`, zh: `月 ${layer} ${i + 1}` },
      key: draws.chance(0.4),
      groups: layer === 'APP' ? ['hotSpot'] : [],
      deadline: '+1 month, day 7, 23:59',
      pool: draws.chance(0.4) ? 'heavy' : null,
      baseMs: Math.round(1_200_000 * draws.noise(0.8)),
      after,
    });
    if (layer === 'DWD' && (i === 0 || draws.chance(0.2))) after.push(edge(flow, 'previous'));
    if (layer === 'DWD') base.push(flow);
    if (layer === 'DWA') summary.push(flow);
  }
  add({
    ...shared,
    id: 'MonthDone',
    kind: 'notify',
    layer: 'APP',
    names: { en: 'The month is done', zh: '月流程完成' },
    after: edges(summary),
  });
}

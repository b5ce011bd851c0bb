/** A distribution is written as one entry and runs as two flows, `<id>.export` and `<id>.import`. Protocol D3. */
import type { DistributionDefinition, FlowDefinition } from '../model.ts';

/** A flow before graph/catalogue/build.ts completes it: as written, or one half of a distribution. */
export type Draft = Omit<FlowDefinition, 'kind'> & { kind: FlowDefinition['kind'] | 'distribution' };

/**
 * The two flows of a distribution.
 *
 * - `.export` has the edges, the trigger and the start time, because it waits. It reads `from` and fills staging.
 * - `.import` waits only for `.export` and always starts without a trigger. It has the deadline, the reference time, the aliases,
 *   `forcePassRequires` and the written table, because others depend on it and a force-pass means it.
 * - Both run on `platform`, default: that of the target's connection, as staging and fence are on the target (protocol C6).
 */
export function halves(entry: DistributionDefinition, platform: string | undefined): [Draft, Draft] {
  const { from, to, columns, periodColumn, where, ...shared } = entry;
  const half = { ...shared, kind: 'distribution' as const, platform };
  const { trigger: _, event: __, startAt: ___, onTrigger: ____, ...rest } = half;
  return [
    {
      ...half,
      id: `${entry.id}.export`,
      names: { en: `${entry.names.en} (export)`, zh: `${entry.names.zh}（出库）` },
      deadline: undefined,
      referenceAt: undefined,
      aliases: [],
      forcePassRequires: [],
      reads: [...new Set([from.table, ...entry.reads])],
      writes: [],
      program: {
        type: 'export',
        distribution: entry.id,
        from,
        to,
        columns,
        ...(where === undefined ? {} : { where }),
      },
    },
    {
      ...rest,
      id: `${entry.id}.import`,
      names: { en: `${entry.names.en} (import)`, zh: `${entry.names.zh}（入库）` },
      trigger: 'auto',
      after: [`${entry.id}.export`],
      reads: [],
      writes: [...new Set([to.table, ...entry.writes])],
      program: { type: 'import', distribution: entry.id, to, columns, periodColumn },
    },
  ];
}

/** Lineage of the newest catalogue version, and where its tables and programs do not agree. */
import { z } from 'zod';
import { FindingPage, FindingsQuery, LineageAnswer, LineageQuery } from '../../contract/lineage.ts';
import { SluiceError, unknown } from '../../errors.ts';
import { follow, type LineageNode, tableKey } from '../../graph/impact/lineage.ts';
import { versionOf } from '../../services/catalogue/newest-catalogue.ts';
import type { ServiceDeps } from '../../services/deps.ts';
import type { EstateLineage } from '../../services/lineage/estate-lineage.ts';
import { flowOfVersion } from '../../services/runs/find.ts';
import { suggestNames } from '../../services/suggest-names.ts';
import type { CatalogueVersion } from '../../store/catalogue/catalogue.ts';
import type { Api } from '../instance.ts';
import { page, positionOf } from '../paging.ts';

export function lineageRoutes(app: Api, deps: ServiceDeps): void {
  app.route({
    method: 'GET',
    url: '/lineage',
    config: { permission: 'read' },
    schema: { tags: ['catalogue'], querystring: LineageQuery, response: { 200: LineageAnswer } },
    handler: async (request) => {
      const { table, flow, platform, direction, depth } = request.query;
      if ((table === undefined) === (flow === undefined))
        throw new SluiceError('invalid_request', 'name either a table or a flow');
      const version = await versionOf(deps);
      const lineage = await deps.lineages.of(version);
      const starts: LineageNode[] =
        flow === undefined
          ? tablesNamed(lineage, table!, platform)
          : [{ kind: 'flow', id: flowOfVersion(version, flow).id }];
      const items: LineageAnswer['items'][number][] = [];
      for (const start of starts) {
        const first = items.length;
        for (const { node, depth: at, from } of follow(lineage, start, direction, depth))
          items.push({ ...toResponse(version, node), depth: at, from: from === null ? null : from + first });
      }
      return { version: version.version, direction, items };
    },
  });

  app.route({
    method: 'GET',
    url: '/catalogue/findings',
    config: { permission: 'read' },
    schema: { tags: ['catalogue'], querystring: FindingsQuery, response: { 200: FindingPage } },
    handler: async (request) => {
      const { version, limit, cursor } = request.query;
      const from = positionOf(z.int().min(0), cursor) ?? 0;
      const { findings } = await deps.lineages.of(await versionOf(deps, version));
      const rows = findings
        .slice(from, from + limit + 1)
        .map((finding, i) => ({ finding, next: from + i + 1 }));
      return page(
        rows,
        limit,
        ({ finding }) => ({ ...finding }),
        ({ next }) => next,
      );
    },
  });
}

/** On all platforms that have a table of that name, or on the named one. Throws `unknown_table`. */
export function tablesNamed(
  lineage: EstateLineage,
  table: string,
  platform: string | undefined,
): LineageNode[] {
  const keys = new Set([...lineage.producers.keys(), ...lineage.readers.keys()]);
  const platforms = new Set([...keys].map((key) => key.slice(0, key.indexOf(' '))));
  const found = [...platforms]
    .filter((other) => platform === undefined || other === platform)
    .map((platform) => tableKey(platform, table))
    .filter((key) => keys.has(key));
  if (found.length > 0) return found.sort().map((id) => ({ kind: 'table', id }));
  const names = new Set([...keys].map((key) => key.slice(key.indexOf(' ') + 1)));
  const where = platform === undefined ? '' : ` on ${platform}`;
  throw unknown(
    'unknown_table',
    `no flow reads or writes a table ${table}${where}`,
    { table },
    suggestNames(table, names),
  );
}

function toResponse(version: CatalogueVersion, node: LineageNode) {
  if (node.kind === 'table') {
    const at = node.id.indexOf(' ');
    const platform = node.id.slice(0, at);
    return {
      kind: node.kind,
      id: node.id.slice(at + 1),
      names: null,
      cycle: null,
      platform: platform === '' ? null : platform,
    };
  }
  const flow = version.flows.get(node.id)!;
  return {
    kind: node.kind,
    id: flow.id,
    names: flow.names,
    platform: flow.platform ?? null,
    cycle: flow.cycle,
  };
}

/** Template queries (docs/queries.md): one route each, as JSON, CSV or xlsx. */

import { z } from 'zod';
import { GivenId, type Infer } from '../../contract/fields.ts';
import { QueryFormat, QueryList, queryAnswer } from '../../contract/queries.ts';
import { unknown } from '../../errors.ts';
import { displayZone } from '../../services/catalogue/display-zone.ts';
import type { ServiceDeps } from '../../services/deps.ts';
import { languageOf } from '../../services/language.ts';
import { csvOf, xlsxOf } from '../../services/queries/files.ts';
import { QUERIES } from '../../services/queries/index.ts';
import type { Query } from '../../services/queries/query.ts';
import { suggestNames } from '../../services/suggest-names.ts';
import { readClock } from '../../store/record/snapshot.ts';
import type { Api } from '../instance.ts';
import { cursorOf, positionOf } from '../paging.ts';

export function queryRoutes(app: Api, deps: ServiceDeps): void {
  app.route({
    method: 'GET',
    url: '/queries',
    config: { permission: 'read' },
    schema: { tags: ['queries'], response: { 200: QueryList } },
    handler: async () => ({
      items: QUERIES.map((query) => ({
        ...query,
        inputs: Object.keys(query.input),
        columns: columnsOf(query),
      })),
    }),
  });
  for (const query of QUERIES) oneQuery(app, deps, query);
  app.route({
    method: 'GET',
    url: '/queries/:query',
    config: { permission: 'read' },
    schema: { hide: true, params: z.object({ query: GivenId }) },
    handler: async (request) => {
      const { query } = request.params;
      const ids = QUERIES.map(({ id }) => id);
      throw unknown(
        'unknown_query',
        `there is no query ${query}`,
        { query },
        suggestNames(query.toUpperCase(), ids, 1),
      );
    },
  });
}

function oneQuery(app: Api, deps: ServiceDeps, query: Query): void {
  const row = z.object(
    Object.fromEntries(Object.entries(query.columns).map(([key, it]) => [key, it.schema])),
  );
  app.route({
    method: 'GET',
    url: `/queries/${query.id}`,
    config: { permission: 'read' },
    schema: {
      tags: ['queries'],
      summary: `${query.names.en} (${query.names.zh})`,
      description: `${query.question.en} ${query.rule.en}`,
      querystring: z.strictObject({ ...query.input, ...QueryFormat }),
      response: { 200: queryAnswer(row) },
    },
    handler: async (request, reply) => {
      const { format, limit, cursor, ...input } = request.query as QueryString;
      const from = positionOf(z.int().min(0), cursor) ?? 0;
      const { about, rows } = await query.answer(deps, input);
      if (format !== 'json') {
        const language = languageOf(request.headers['accept-language']);
        const reader = { language, zone: await displayZone(deps) };
        const file = format === 'csv' ? csvOf(query, rows, reader) : await xlsxOf(query, rows, reader);
        reply
          .type(format === 'csv' ? 'text/csv; charset=utf-8' : XLSX)
          .header('content-disposition', `attachment; filename="${query.id}.${format}"`)
          .serializer(asItIs);
        return file as never;
      }
      const items = rows.slice(from, from + limit) as Infer<typeof row>[];
      return {
        query: query.id,
        about: { ...about },
        now: await readClock(deps.pool),
        timeZone: await displayZone(deps),
        columns: columnsOf(query),
        total: rows.length,
        items,
        nextCursor: rows.length > from + limit ? cursorOf(from + limit) : null,
      };
    },
  });
}

type QueryString = z.output<z.ZodObject<typeof QueryFormat>> & Readonly<Record<string, unknown>>;

const XLSX = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet';
const asItIs = (payload: unknown): string => payload as string;

const columnsOf = (query: Query) =>
  Object.entries(query.columns).map(([key, { type, en, zh }]) => ({ key, type, en, zh }));

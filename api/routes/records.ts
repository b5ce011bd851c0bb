/** The audit, the notices, and what could not be stored (protocol A5). */

import { z } from 'zod';
import type { Infer } from '../../contract/fields.ts';
import { AuditPage, AuditQuery, NoticePage, NoticesQuery, NotStorableList } from '../../contract/records.ts';
import type { ServiceDeps } from '../../services/deps.ts';
import { listAudit } from '../../store/operations/audit.ts';
import { listNotices } from '../../store/operations/notices.ts';
import { listNotStorable } from '../../store/record/not-storable.ts';
import type { Api } from '../instance.ts';
import { page, positionOf } from '../paging.ts';

/** Maximum number of rows of each kind in the list of what could not be stored. */
const NOT_STORABLE_LIMIT = 50;

export function recordRoutes(app: Api, deps: ServiceDeps): void {
  app.route({
    method: 'GET',
    url: '/audit',
    config: { permission: 'read' },
    schema: { tags: ['audit'], querystring: AuditQuery, response: { 200: AuditPage } },
    handler: async (request) => {
      const { limit, cursor, ...filter } = request.query;
      const before = positionOf(z.int(), cursor);
      const rows = await listAudit(deps.pool, filter, { before, limit: limit + 1 });
      return page(
        rows,
        limit,
        (row) => row as Infer<typeof AuditPage>['items'][number],
        (row) => row.id,
      );
    },
  });

  app.route({
    method: 'GET',
    url: '/notices',
    config: { permission: 'read' },
    schema: { tags: ['notices'], querystring: NoticesQuery, response: { 200: NoticePage } },
    handler: async (request) => {
      const { limit, cursor, ...filter } = request.query;
      const before = positionOf(z.int(), cursor);
      const rows = await listNotices(deps.pool, filter, { before, limit: limit + 1 });
      return page(
        rows,
        limit,
        (row) => row,
        (row) => row.id,
      );
    },
  });

  app.route({
    method: 'GET',
    url: '/not-storable',
    config: { permission: 'read' },
    schema: { tags: ['audit'], response: { 200: NotStorableList } },
    handler: async () => ({ items: await listNotStorable(deps.pool, NOT_STORABLE_LIMIT) }),
  });
}

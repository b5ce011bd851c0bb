/** Retention: shown, carried out now, and a run restored from the archive. */

import {
  ArchivedRun,
  RestoreParams,
  Retention,
  RetentionAnswer,
  RetentionRun,
} from '../../contract/retention.ts';
import type { ServiceDeps } from '../../services/deps.ts';
import { authorise } from '../../services/operations/actor-scope.ts';
import { retain } from '../../services/upkeep/retention.ts';
import { writeAudit } from '../../store/operations/audit.ts';
import { listArchived, restoreRun } from '../../store/retention/archived-runs.ts';
import { dueRuns } from '../../store/retention/retention.ts';
import type { Api } from '../instance.ts';

const tags = ['retention'];
/** Time limit of one pass in ms, because the caller waits for it. What is not done by then is asked for again (`more`). */
const ANSWER_MS = 30_000;

export function retentionRoutes(app: Api, deps: ServiceDeps): void {
  const { pool, copyPool, retention } = deps;

  app.route({
    method: 'GET',
    url: '/retention',
    config: { permission: 'read' },
    schema: { tags, response: { 200: Retention } },
    handler: async () => ({
      keepDays: retention.keepDays,
      auditDays: retention.auditDays,
      due: await dueRuns(pool, retention, 1_000),
      archived: (await listArchived(pool, 100)).map(toResponse),
    }),
  });

  app.route({
    method: 'POST',
    url: '/retention/run',
    config: { permission: 'maintain', verb: 'run-retention' },
    schema: { tags, body: RetentionRun, response: { 200: RetentionAnswer } },
    handler: async (request) => {
      authorise(request.actor!, 'run-retention', null);
      const { limit, dryRun } = request.body;
      const nothing = { archived: [], kept: [], more: false, auditRows: 0, exchangeRows: 0, busy: false };
      if (dryRun) {
        const due = await dueRuns(pool, retention, limit);
        return { ...nothing, dryRun, due, kept: due.filter((entry) => entry.keptBecause !== null) };
      }
      const report = await retain(deps, { limit, forMs: ANSWER_MS });
      if (report === null) return { ...nothing, dryRun, due: [], busy: true };
      const archived = report.archived.map(({ run, archive: { file, bytes } }) => ({ run, file, bytes }));
      await writeAudit(pool, {
        actor: request.actor!.name,
        verb: 'run-retention',
        run: null,
        outcome: 'applied',
        detail: { runs: archived.map((entry) => entry.run), auditRows: report.auditRows },
      });
      return { ...report, archived, dryRun, due: [], busy: false };
    },
  });

  app.route({
    method: 'POST',
    url: '/retention/restore/:run',
    config: { permission: 'maintain', verb: 'restore-run' },
    schema: { tags, params: RestoreParams, response: { 200: ArchivedRun } },
    handler: async (request) => {
      authorise(request.actor!, 'restore-run', null);
      const { run } = request.params;
      const restored = await restoreRun(copyPool, retention.folder, run);
      await writeAudit(pool, { actor: request.actor!.name, verb: 'restore-run', run, outcome: 'applied' });
      return toResponse(restored);
    },
  });
}

const toResponse = <T extends { readonly rows: Readonly<Record<string, number>> }>(entry: T) => ({
  ...entry,
  rows: { ...entry.rows },
});

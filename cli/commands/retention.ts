/** `sluice retention show|run|restore`: which runs are archived, and restoring them. */
import type { z } from 'zod';
import type { ArchivedRun, DueRun, Retention, RetentionAnswer } from '../../contract/retention.ts';
import { part } from '../client.ts';
import type { Session } from '../session.ts';
import { instant } from '../text/instant.ts';
import { table } from '../text/table.ts';
import { type Tree, wholeNumber } from '../tree.ts';

type Due = z.infer<typeof DueRun>;
type Archived = z.infer<typeof ArchivedRun>;

export function addRetentionCommands(tree: Tree): void {
  const { root, help } = tree;
  const retention = root.command('retention').description(help('retention'));
  retention
    .command('show')
    .description(help('retention_show'))
    .action(
      tree.does(async (session) => {
        const answer = await session.client.get<z.infer<typeof Retention>>('/retention');
        session.answer(answer, ({ keepDays, auditDays, due, archived }) => [
          session.phrase('retention_keeps', { ...keepDays, audit: auditDays }),
          ...dueTable(due, session),
          ...(archived.length === 0 ? [] : archivedTable(archived, session)),
        ]);
        return undefined;
      }),
    );
  retention
    .command('run')
    .description(help('retention_run'))
    .option('--limit <n>', help('retention_limit'), wholeNumber(1), 100)
    .option('--dry-run', help('dry_run'))
    .action(
      tree.does<{ limit: number; dryRun?: true }>(async (session, _args, { limit, dryRun }) => {
        const body = { limit, dryRun: dryRun === true };
        const answer = await session.client.post<z.infer<typeof RetentionAnswer>>('/retention/run', body);
        if (answer.busy) session.say(session.phrase('retention_busy'));
        if (answer.more) session.say(session.phrase('retention_more'));
        session.answer(answer, (entry) =>
          entry.dryRun
            ? dueTable(entry.due, session)
            : entry.archived.map(({ run, file, bytes }) => `${run}  ${file}  ${bytes}`),
        );
        return undefined;
      }),
    );
  retention
    .command('restore <run>')
    .description(help('retention_restore'))
    .action(
      tree.does(async (session, [run]) => {
        const answer = await session.client.post<Archived>(`/retention/restore/${part(run!)}`, {});
        session.answer(answer, (entry) => archivedTable([entry], session));
        return undefined;
      }),
    );
}

function dueTable(due: readonly Due[], { phrase, paint, columns }: Session): string[] {
  return table(
    due,
    [
      { title: phrase('run'), cell: (entry) => entry.run, gives: 0 },
      { title: phrase('over_since'), cell: (entry) => instant(entry.overAt), gives: 0 },
      {
        title: phrase('retention_verdict'),
        cell: (entry) => phrase(entry.keptBecause === null ? 'retention_goes' : `kept_${entry.keptBecause}`),
        paint: (text, entry) => paint(entry.keptBecause === null ? 'green' : 'yellow', text),
      },
    ],
    { columns, paint },
  );
}

function archivedTable(archived: readonly Archived[], { phrase, paint, columns }: Session): string[] {
  return table(
    archived,
    [
      { title: phrase('run'), cell: (entry) => entry.run, gives: 0 },
      { title: phrase('archived'), cell: (entry) => instant(entry.archivedAt), gives: 0 },
      { title: phrase('file'), cell: (entry) => entry.file },
      { title: phrase('bytes'), cell: (entry) => String(entry.bytes), align: 'right', gives: 0 },
      {
        title: phrase('restored'),
        cell: (entry) => (entry.restoredAt === null ? '' : instant(entry.restoredAt)),
        gives: 0,
      },
    ],
    { columns, paint },
  );
}

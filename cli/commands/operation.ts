/** Requests and their outcomes: `approve`, `refuse`, `operations list|show`, `audit`. */
import type { z } from 'zod';
import type { Keyed, Operation } from '../../contract/operations.ts';
import type { AuditEntry } from '../../contract/records.ts';
import { part } from '../client.ts';
import type { Session } from '../session.ts';
import { instant } from '../text/instant.ts';
import { operationLines, targetsOf } from '../text/operation.ts';
import { table } from '../text/table.ts';
import { oneLine } from '../text/width.ts';
import { type Tree, wholeNumber } from '../tree.ts';
import { showOperation } from './verb-commands.ts';

export function addOperationCommands(tree: Tree): void {
  const { root, help } = tree;
  for (const verb of ['approve', 'refuse'] as const)
    root
      .command(`${verb} <operation>`)
      .description(help(verb))
      .option('--reason <text>', help('reason'))
      .action(
        tree.does<{ reason?: string }>(async (session, [operation], { reason }) => {
          const body = reason === undefined ? {} : { reason };
          const judged = await session.client.operate(`/operations/${part(operation!)}/${verb}`, body);
          if (verb === 'approve') return showOperation(session, judged);
          session.answer(judged, (entry) => operationLines(entry, session));
          return 0;
        }),
      );

  const operations = root
    .command('operations')
    .description(help('operations'))
    .argument('[key]', help('operations_key'))
    .action(
      tree.does(async (session, [key]) => {
        if (key === undefined) return operations.help({ error: true });
        const found = await session.client.get<Keyed>(`/keys/${part(key)}`);
        session.answer(found, (found) => keyedLines(found, session));
        const { operation, backfill, event } = found;
        if (operation !== null)
          return { applied: 0, requested: 0, refused: 5, approval_required: 7 }[operation.state];
        return backfill === null && event === null ? 3 : 0;
      }),
    );
  operations
    .command('show <operation>')
    .description(help('operations_show'))
    .action(
      tree.does(async (session, [operation]) => {
        const found = await session.client.get<Operation>(`/operations/${part(operation!)}`);
        session.answer(found, (found) => detailLines(found, session));
        return undefined;
      }),
    );
  operations
    .command('list')
    .description(help('operations_list'))
    .option('--run <run>', help('run_filter'))
    .option('--state <state>', help('operation_state'))
    .option('--limit <n>', help('limit'), wholeNumber(1), 50)
    .action(
      tree.does<{ run?: string; state?: string; limit: number }>(
        async (session, _args, { run, state, limit }) => {
          const page = await session.client.list<Operation>('/operations', { run, state }, limit);
          session.answer(page, ({ items }) =>
            table(
              items,
              [
                { title: session.phrase('at'), cell: (entry) => instant(entry.requestedAt), gives: 0 },
                { title: session.phrase('operation'), cell: (entry) => entry.id, gives: 0 },
                { title: session.phrase('actor'), cell: (entry) => oneLine(entry.actor) },
                { title: session.phrase('verb'), cell: (entry) => entry.verb, gives: 0 },
                { title: session.phrase('state'), cell: (entry) => entry.state, gives: 0 },
                { title: session.phrase('targets'), cell: targetsOf, gives: 2 },
                { title: session.phrase('reason'), cell: (entry) => oneLine(entry.request.reason), gives: 2 },
              ],
              session,
            ),
          );
          return undefined;
        },
      ),
    );

  root
    .command('audit')
    .description(help('audit'))
    .option('--run <run>', help('run_filter'))
    .option('--actor <actor>', help('actor_filter'))
    .option('--verb <verb>', help('verb_filter'))
    .option('--outcome <outcome>', help('outcome_filter'))
    .option('--operation <id>', help('operation_filter'))
    .option('--flow <flow>', help('flow_filter'))
    .option('--limit <n>', help('limit'), wholeNumber(1), 50)
    .action(
      tree.does<
        { flow?: string; limit: number } & Record<
          'run' | 'actor' | 'verb' | 'outcome' | 'operation',
          string | undefined
        >
      >(async (session, _args, { limit, flow, ...filter }) => {
        const query = { ...filter, target: flow };
        const page = await session.client.list<z.infer<typeof AuditEntry>>('/audit', query, limit);
        session.answer(page, ({ items }) =>
          table(
            items,
            [
              { title: session.phrase('at'), cell: (entry) => instant(entry.at), gives: 0 },
              { title: session.phrase('actor'), cell: (entry) => oneLine(entry.actor) },
              { title: session.phrase('verb'), cell: (entry) => entry.verb, gives: 0 },
              { title: session.phrase('run'), cell: (entry) => entry.run ?? '' },
              {
                title: session.phrase('outcome'),
                cell: (entry) => (entry.code === null ? entry.outcome : `${entry.outcome} ${entry.code}`),
                paint: (text, entry) => session.paint(entry.outcome === 'applied' ? 'green' : 'yellow', text),
              },
              {
                title: session.phrase('targets'),
                cell: (entry) => oneLine(entry.targets.join(' ')),
                gives: 2,
              },
              { title: session.phrase('reason'), cell: (entry) => oneLine(entry.reason), gives: 2 },
            ],
            session,
          ),
        );
        return undefined;
      }),
    );
}

function detailLines(it: Operation, session: Session): string[] {
  return [
    ...operationLines(it, session),
    `  ${it.actor}  ${instant(it.requestedAt)}${it.request.reason ? `  ${oneLine(it.request.reason)}` : ''}`,
    ...(it.request.evidence ? [`  ${session.phrase('evidence')}: ${oneLine(it.request.evidence)}`] : []),
    ...(it.approvedBy
      ? [`  ${session.phrase('approved_by')}: ${it.approvedBy}  ${instant(it.approvedAt)}`]
      : []),
  ];
}

function keyedLines({ key, operation, backfill, event }: Keyed, session: Session): string[] {
  if (operation !== null) return detailLines(operation, session);
  if (backfill !== null) return [session.phrase('key_of_backfill', { key, id: backfill })];
  if (event !== null) return [session.phrase('key_of_event', { key, id: event })];
  return [session.phrase('key_unknown', { key })];
}

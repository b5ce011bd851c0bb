/** `sluice event send|list`. */
import { InvalidArgumentError } from 'commander';
import type { EventPage, ExternalEvent } from '../../contract/external-events.ts';
import { inexactNumber } from '../../contract/json-text.ts';
import type { Session } from '../session.ts';
import { instant } from '../text/instant.ts';
import { table } from '../text/table.ts';
import { oneLine } from '../text/width.ts';
import { type Tree, wholeNumber } from '../tree.ts';

interface SendOptions {
  readonly payload?: object;
  readonly key?: string;
  readonly yes?: boolean;
}

export function addEventCommands(tree: Tree): void {
  const { root, help } = tree;
  const event = root.command('event').description(help('event'));
  event
    .command('send <event> <period>')
    .description(help('event_send'))
    .option('--payload <json>', help('event_payload'), jsonObject)
    .option('--yes', help('yes_far'))
    .option('--key <key>', help('key'))
    .action(
      tree.does<SendOptions>(async (session, [name, period], { payload, key, yes }) => {
        const body = {
          event: name,
          period,
          ...(payload === undefined ? {} : { payload }),
          ...(yes ? { far: true } : {}),
        };
        const sent = await session.client.post<ExternalEvent>('/events', body, key);
        session.answer(sent, (entry) => [
          session.phrase('event_sent', {
            event: entry.event,
            period: entry.period,
            runs: entry.runs.join(' ') || session.phrase('event_kept'),
          }),
        ]);
        return undefined;
      }),
    );
  event
    .command('list')
    .description(help('event_list'))
    .option('--event <name>', help('event_filter'))
    .option('--period <period>', help('period_filter'))
    .option('--limit <n>', help('limit'), wholeNumber(1), 50)
    .action(
      tree.does<{ event?: string; period?: string; limit: number }>(
        async (session, _args, { limit, ...filter }) => {
          const page = await session.client.list<EventPage['items'][number]>('/events', filter, limit);
          session.answer(page, ({ items }) => eventTable(items, session));
          return undefined;
        },
      ),
    );
}

function jsonObject(text: string): object {
  let value: unknown = null;
  try {
    value = JSON.parse(text);
  } catch {
    // Said below, as for any other text that is no object.
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InvalidArgumentError('a JSON object: {"rows": 12}');
  const number = inexactNumber(text);
  if (number === null) return value;
  const { path, source, read } = number;
  throw new InvalidArgumentError(
    `${path.join('.')}: ${source} would arrive as ${read}: write it in quotes, "${source}"`,
  );
}

function eventTable(events: readonly ExternalEvent[], { phrase, paint, columns }: Session): string[] {
  return table(
    events,
    [
      { title: phrase('at'), cell: (entry) => instant(entry.at), gives: 0 },
      { title: phrase('event'), cell: (entry) => oneLine(entry.event), gives: 0 },
      { title: phrase('period'), cell: (entry) => entry.period, gives: 0 },
      { title: phrase('by'), cell: (entry) => oneLine(entry.actor) },
      { title: phrase('run'), cell: (entry) => entry.runs.join(' ') || '-' },
      {
        title: phrase('payload'),
        cell: (entry) => (entry.payload === null ? '' : oneLine(JSON.stringify(entry.payload))),
        gives: 2,
      },
    ],
    { columns, paint },
  );
}

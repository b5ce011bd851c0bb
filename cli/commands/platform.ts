/** `sluice platform list|pause|resume`. */
import type { z } from 'zod';
import type { Platform, PlatformList } from '../../contract/agents.ts';
import { part } from '../client.ts';
import type { Session } from '../session.ts';
import type { HelpKey } from '../text/help.ts';
import { instant } from '../text/instant.ts';
import { table } from '../text/table.ts';
import { oneLine } from '../text/width.ts';
import type { Tree } from '../tree.ts';

type PlatformRow = z.infer<typeof Platform>;

export function addPlatformCommands(tree: Tree): void {
  const { root, help } = tree;
  const platform = root.command('platform').description(help('platform'));
  platform
    .command('list')
    .description(help('platform_list'))
    .action(
      tree.does(async (session) => {
        const answer = await session.client.get<z.infer<typeof PlatformList>>('/platforms');
        session.answer(answer, ({ items }) => platformTable(items, session));
        return undefined;
      }),
    );
  for (const verb of ['pause', 'resume'] as const)
    platform
      .command(`${verb} <platform>`)
      .description(help(`platform_${verb}` as HelpKey))
      .option('--reason <text>', help('reason'))
      .action(
        tree.does<{ reason?: string }>(async (session, [name], { reason }) => {
          const body = reason === undefined ? {} : { reason };
          const answer = await session.client.post<PlatformRow>(`/platforms/${part(name!)}/${verb}`, body);
          session.answer(answer, (entry) => platformTable([entry], session));
          return undefined;
        }),
      );
}

function platformTable(platforms: readonly PlatformRow[], { phrase, paint, columns }: Session): string[] {
  return table(
    platforms,
    [
      { title: phrase('platform'), cell: (entry) => oneLine(entry.platform), gives: 0 },
      { title: phrase('agents'), cell: (entry) => String(entry.agents), align: 'right', gives: 0 },
      { title: phrase('slots'), cell: (entry) => `${entry.used}/${entry.slots}`, align: 'right', gives: 0 },
      { title: phrase('waiting'), cell: (entry) => String(entry.waiting), align: 'right', gives: 0 },
      {
        title: phrase('state'),
        cell: (entry) =>
          entry.pause === null
            ? phrase('goes_on')
            : `${phrase('run_paused')} ${oneLine(entry.pause.by)} ${instant(entry.pause.since)} ${oneLine(entry.pause.reason)}`,
        paint: (text, entry) => paint(entry.pause === null ? 'green' : 'magenta', text),
      },
    ],
    { columns, paint },
  );
}

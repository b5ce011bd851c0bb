/** `sluice notices`: the notices that the engine has written for people. Nobody sends them yet. */
import type { z } from 'zod';
import type { Notice } from '../../contract/records.ts';
import { instant } from '../text/instant.ts';
import { table } from '../text/table.ts';
import { oneLine } from '../text/width.ts';
import { type Tree, wholeNumber } from '../tree.ts';

type Filters = Record<'run' | 'flow' | 'kind' | 'recipient', string | undefined>;

export function addNoticesCommand(tree: Tree): void {
  const { root, help } = tree;
  root
    .command('notices')
    .description(help('notices'))
    .option('--run <run>', help('run_filter'))
    .option('--flow <flow>', help('flow_filter'))
    .option('--kind <kind>', help('kind_of_notice'))
    .option('--recipient <name>', help('recipient_filter'))
    .option('--limit <n>', help('limit'), wholeNumber(1), 50)
    .action(
      tree.does<Filters & { limit: number }>(
        async (session, _args, { limit, run, flow, kind, recipient }) => {
          const { phrase, lang } = session;
          const query = { run, flow, kind, recipient };
          const page = await session.client.list<z.infer<typeof Notice>>('/notices', query, limit);
          session.answer(page, ({ items }) =>
            table(
              items,
              [
                { title: phrase('at'), cell: (entry) => instant(entry.at), gives: 0 },
                { title: phrase('kind'), cell: (entry) => entry.kind },
                { title: phrase('recipient'), cell: (entry) => oneLine(entry.recipient) },
                { title: phrase('run'), cell: (entry) => entry.run ?? '' },
                { title: phrase('flow'), cell: (entry) => entry.flow ?? '' },
                { title: phrase('text'), cell: (entry) => oneLine(entry[lang]), gives: 2 },
              ],
              session,
            ),
          );
          return undefined;
        },
      ),
    );
}

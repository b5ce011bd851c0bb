/** `sluice verbs` lists the table of verbs: which verb is possible in which state. The commands of the verbs: cli/commands/verb-commands.ts. */
import type { z } from 'zod';
import type { VerbList } from '../../contract/verbs.ts';
import { stateWord } from '../text/states.ts';
import { table } from '../text/table.ts';
import type { Tree } from '../tree.ts';

export function addVerbTableCommand(tree: Tree): void {
  tree.root
    .command('verbs')
    .description(tree.help('verbs'))
    .action(
      tree.does(async (session) => {
        const { lang, phrase, paint } = session;
        const list = await session.client.get<z.infer<typeof VerbList>>('/verbs');
        const states = (entry: (typeof list)['items'][number]): string =>
          [
            ...entry.allowedIn.map((state) => stateWord(state, lang)),
            ...entry.withSupersede.map((state) => `${stateWord(state, lang)}*`),
          ].join(' ');
        session.answer(list, ({ items }) => [
          ...table(
            items,
            [
              {
                title: phrase('verb'),
                cell: (entry) => (lang === 'zh' ? `${entry.verb} ${entry.zh}` : entry.verb),
                gives: 0,
              },
              { title: phrase('target'), cell: (entry) => entry.target, gives: 0 },
              {
                title: phrase('needs'),
                cell: (entry) =>
                  [
                    entry.needsReason ? '--reason' : '',
                    entry.needsEvidence ? '--evidence' : '',
                    entry.onlyPerson ? phrase('gates_only') : '',
                  ]
                    .filter((text) => text !== '')
                    .join(' '),
              },
              { title: phrase('possible_in'), cell: states, gives: 2 },
            ],
            session,
          ),
          paint('dim', phrase('with_supersede')),
        ]);
        return undefined;
      }),
    );
}

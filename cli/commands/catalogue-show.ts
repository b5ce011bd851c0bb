/** `sluice catalogue show [VERSION]` and `sluice catalogue flow FLOW [VERSION]`: what a version contains, and how it defines a flow. */
import type { Command } from 'commander';
import { stringify } from 'yaml';
import type { z } from 'zod';
import type { Definition, Summary } from '../../contract/catalogue.ts';
import { part } from '../client.ts';
import type { Session } from '../session.ts';
import { instant } from '../text/instant.ts';
import { harmless, oneLine } from '../text/width.ts';
import { type Tree, wholeNumber } from '../tree.ts';

type Catalogue = z.infer<typeof Summary>;

export function addShowCommands(catalogue: Command, { help, does }: Tree): void {
  const numberOf = (version: string | undefined): number | undefined =>
    version === undefined ? undefined : wholeNumber(1)(version);
  catalogue
    .command('show [version]')
    .description(help('catalogue_show'))
    .action(
      does(async (session, [version]) => {
        const answer = await session.client.get<Catalogue>('/catalogue', { version: numberOf(version) });
        session.answer(answer, (shown) => summaryLines(shown, session));
        return undefined;
      }),
    );
  catalogue
    .command('flow <flow> [version]')
    .description(help('catalogue_flow'))
    .action(
      does(async (session, [flow, version]) => {
        const path = `/catalogue/flows/${part(flow!)}`;
        const answer = await session.client.get<z.infer<typeof Definition>>(path, {
          version: numberOf(version),
        });
        session.answer(answer, (definition) => harmless(stringify(definition)).trimEnd().split('\n'));
        return undefined;
      }),
    );
}

function summaryLines(summary: Catalogue, { phrase, paint }: Session): string[] {
  const cycles = Object.entries(summary.cycles).map(([cycle, flows]) => {
    const begins = summary.beginnings[cycle];
    return `${cycle} ${flows}${begins === undefined ? '' : ` (${phrase('begins', { period: begins })})`}`;
  });
  const sections = (['procedures', 'schedules', 'calendars', 'pools', 'connections'] as const).map(
    (section) => {
      const ids = (summary[section] as readonly { readonly id: string }[]).map(({ id }) => id);
      return `  ${phrase(section)}: ${oneLine(ids.join(' ')) || phrase('none')}`;
    },
  );
  return [
    `${paint('bold', `${phrase('version')} ${summary.version}`)}  ${summary.mode}  ${phrase('by')} ${oneLine(summary.createdBy)}  ${instant(summary.createdAt)}`,
    `  ${phrase('flows')}: ${summary.flowCount}  ${cycles.join('  ')}`,
    ...sections,
  ];
}

/** `sluice lineage TABLE|FLOW`, `sluice catalogue findings`. */

import type { Command } from 'commander';
import type { Finding, LineageAnswer } from '../../contract/lineage.ts';
import { ApiProblem } from '../client.ts';
import type { Session } from '../session.ts';
import { table } from '../text/table.ts';
import { oneLine } from '../text/width.ts';
import { type Tree, wholeNumber } from '../tree.ts';

interface Options {
  readonly up: boolean;
  readonly depth?: number;
  readonly platform?: string;
}

export function addLineageCommand(tree: Tree): void {
  const { root, help } = tree;
  root
    .command('lineage <name>')
    .description(help('lineage'))
    .option('--up', help('lineage_up'), false)
    .option('--depth <n>', help('lineage_depth'), wholeNumber(1))
    .option('--platform <platform>', help('lineage_platform'))
    .action(
      tree.does<Options>(async (session, [name], { up, depth, platform }) => {
        const rest = { direction: up ? 'up' : 'down', depth, platform };
        session.answer(await lineageOf(session, name!, rest), (entry) => lineageLines(entry, session));
        return undefined;
      }),
    );
}

/** A flow of that name, or a table. */
async function lineageOf(
  { client }: Session,
  name: string,
  rest: Readonly<Record<string, string | number | undefined>>,
): Promise<LineageAnswer> {
  try {
    return await client.get<LineageAnswer>('/lineage', { ...rest, flow: name });
  } catch (error) {
    if (!(error instanceof ApiProblem) || error.code !== 'unknown_flow') throw error;
    return client.get<LineageAnswer>('/lineage', { ...rest, table: name });
  }
}

type Item = LineageAnswer['items'][number];

function lineageLines({ items }: LineageAnswer, session: Session): string[] {
  const below = new Map<number | null, number[]>();
  items.forEach(({ from }, i) => {
    below.set(from, [...(below.get(from) ?? []), i]);
  });
  const lines: string[] = [];
  const draw = (i: number, head: string, rest: string): void => {
    lines.push(`${head}${label(items[i]!, session)}`);
    const children = below.get(i) ?? [];
    children.forEach((child, k) => {
      const last = k === children.length - 1;
      draw(child, `${rest}${last ? '└─ ' : '├─ '}`, `${rest}${last ? '   ' : '│  '}`);
    });
  };
  for (const i of below.get(null) ?? []) draw(i, '', '');
  return lines;
}

function label({ kind, id, names, platform, cycle }: Item, { paint, lang }: Session): string {
  if (kind === 'table') return `${paint('cyan', oneLine(id))}${platform === null ? '' : `  ${platform}`}`;
  return `${paint('bold', oneLine(id))}  ${oneLine(names?.[lang] ?? '')}  ${cycle ?? ''}`.trimEnd();
}

/** Ends with 6 when there are findings. */
export function addFindingsCommand(catalogue: Command, { help, does }: Tree): void {
  catalogue
    .command('findings [version]')
    .description(help('catalogue_findings'))
    .action(
      does(async (session, [given]) => {
        const version = given === undefined ? undefined : wholeNumber(1)(given);
        const { phrase, paint, columns } = session;
        const found = await session.client.list<Finding>('/catalogue/findings', { version });
        session.answer(found, ({ items }) =>
          items.length === 0
            ? [phrase('no_findings')]
            : table(
                items,
                [
                  { title: phrase('flow'), cell: (entry) => entry.flow },
                  { title: phrase('finding'), cell: (entry) => entry.code, gives: 0 },
                  {
                    title: phrase('table'),
                    cell: (entry) => `${entry.side ?? ''} ${entry.table ?? ''}`.trim(),
                  },
                  { title: phrase('detail'), cell: (entry) => oneLine(entry.detail ?? ''), gives: 2 },
                ],
                { columns, paint },
              ),
        );
        return found.items.length === 0 ? undefined : 6;
      }),
    );
}

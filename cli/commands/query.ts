/** `sluice query [Q01]`: the template queries. */
import type { QueryAnswer, QueryColumn, QueryList, QuerySummary } from '../../contract/queries.ts';
import { SluiceError } from '../../errors.ts';
import { part } from '../client.ts';
import type { Query } from '../http.ts';
import { writeOutput } from '../output-file.ts';
import type { Session } from '../session.ts';
import { dateTime, useZone, zoneInUse } from '../text/instant.ts';
import type { Lang } from '../text/phrases.ts';
import { table } from '../text/table.ts';
import { oneLine } from '../text/width.ts';
import { type Tree, wholeNumber } from '../tree.ts';

interface Options {
  readonly limit: number;
  readonly csv: boolean;
  readonly xlsx?: string;
  readonly explain: boolean;
}

export function addQueryCommand(tree: Tree): void {
  const { root, help } = tree;
  root
    .command('query [query] [inputs...]')
    .description(help('query'))
    .option('--limit <n>', help('limit'), wholeNumber(1), 100)
    .option('--csv', help('query_csv'), false)
    .option('--xlsx <file>', help('query_xlsx'))
    .option('--explain', help('query_explain'), false)
    .addHelpText('after', `\n${help('query_inputs')}`)
    .action(
      tree.does<Options>(async (session, [name, ...inputs], options) => {
        const { client } = session;
        if (name === undefined || options.explain) {
          const list = await client.get<QueryList>('/queries');
          if (name === undefined) session.answer(list, ({ items }) => queryTable(items, session));
          else session.answer(named(list, name), (entry) => explained(entry, session));
          return undefined;
        }
        const path = `/queries/${part(name.toUpperCase())}`;
        const asked = inputsOf(inputs.flat());
        if (options.csv) {
          const csv = await client.bytes(path, { ...asked, format: 'csv' });
          session.out.write(new TextDecoder('utf-8', { ignoreBOM: true }).decode(csv));
        } else if (options.xlsx !== undefined) {
          await writeOutput(options.xlsx, await client.bytes(path, { ...asked, format: 'xlsx' }));
          session.say(session.phrase('written_to', { file: options.xlsx }));
        } else {
          const answer = await client.get<QueryAnswer>(path, { ...asked, limit: options.limit });
          session.answer(answer, (entry) => answerTable(entry, session));
        }
        return undefined;
      }),
    );
}

/** `date=2026-11-22` -> { date }. Throws `invalid_request`. */
function inputsOf(given: readonly string[]): Query {
  return Object.fromEntries(
    given.map((text) => {
      const at = text.indexOf('=');
      if (at < 1)
        throw new SluiceError('invalid_request', `'${text}' is no input; write it like date=2026-11-22`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

function named({ items }: QueryList, name: string): QuerySummary {
  const found = items.find(({ id }) => id === name.toUpperCase());
  if (found === undefined)
    throw new SluiceError('unknown_query', `there is no query ${name}; see: sluice query`, {
      facts: { query: name },
    });
  return found;
}

function queryTable(items: readonly QuerySummary[], session: Session): string[] {
  const { phrase, paint, lang, columns } = session;
  return table(
    items,
    [
      { title: phrase('query'), cell: (entry) => entry.id, gives: 0 },
      { title: phrase('kind'), cell: (entry) => entry.category },
      { title: phrase('name'), cell: (entry) => entry.names[lang], gives: 1 },
      { title: phrase('question'), cell: (entry) => entry.question[lang], gives: 2 },
      { title: phrase('inputs'), cell: (entry) => entry.inputs.join(' '), gives: 2 },
    ],
    { columns, paint },
  );
}

function explained(it: QuerySummary, session: Session): string[] {
  const { phrase, paint, lang } = session;
  return [
    `${paint('bold', it.id)}  ${it.names[lang]}`,
    it.question[lang],
    it.rule[lang],
    `${phrase('inputs')}: ${it.inputs.join(' ')}`,
    ...it.columns.map((column) => `  ${column.key}  ${column[lang]}`),
    `sluice query ${it.id} ${it.example}`.trimEnd(),
  ];
}

function answerTable(it: QueryAnswer, session: Session): string[] {
  useZone(it.timeZone);
  const { phrase, paint, lang } = session;
  const about = Object.entries(it.about).map(([key, value]) => `${key}=${oneLine(value)}`);
  const head = [it.query, ...about, phrase('rows_of', { n: it.items.length, total: it.total })].join('  ');
  if (it.items.length === 0) return [paint('dim', head)];
  const shape = it.columns.map((column) => ({
    title: column.type === 'instant' ? `${column[lang]} (${zoneInUse()})` : column[lang],
    cell: (row: QueryAnswer['items'][number]) => cellText(row[column.key], column, session),
    ...(column.type === 'number' || column.type === 'ratio' ? { align: 'right' as const } : {}),
    gives: gives(column),
  }));
  return [paint('dim', head), ...table(it.items, shape, session)];
}

function gives({ type }: QueryColumn): 0 | 1 | 2 {
  return type === 'list' ? 2 : type === 'text' ? 1 : 0;
}

function cellText(value: unknown, { type }: QueryColumn, { phrase, lang }: Session): string {
  if (value === null || value === undefined) return '';
  switch (type) {
    case 'instant':
      return dateTime(value as number);
    case 'ratio':
      return `${((value as number) * 100).toFixed(1)} %`;
    case 'yes':
      return value === true ? phrase('yes') : phrase('no');
    case 'list':
      return oneLine((value as readonly string[]).join(' '));
    case 'names':
      return oneLine((value as Record<Lang, string>)[lang]);
    case 'text':
    case 'number':
      return oneLine(String(value));
    default:
      return type satisfies never;
  }
}

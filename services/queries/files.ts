/** Answers of queries as files: CSV and xlsx with titles in one language. A text that begins like a formula stays a text, so no cell computes. */
import { stringify } from 'csv-stringify/sync';
import writeXlsx from 'write-excel-file/node';
import { dateTimeOf } from '../../graph/calendar/clock-time.ts';
import type { Language } from '../language.ts';
import type { Column, Query, Row } from './query.ts';

const LIST_SEPARATOR = ' ';

/** For whom a file is written: language, and zone of its clock times. */
export interface Reader {
  readonly language: Language;
  readonly zone: string;
}

/** The title of a column; a column of clock times also names their zone. */
const titleOf = (column: Column, { language, zone }: Reader): string =>
  column.type === 'instant' ? `${column[language]} (${zone})` : column[language];

/** With a byte order mark: without it Excel reads Chinese as something else. */
export function csvOf({ columns }: Query, rows: readonly Row[], { language, zone }: Reader): string {
  const list = Object.entries(columns);
  const titles = list.map(([, column]) => titleOf(column, { language, zone }));
  const lines = rows.map((row) =>
    list.map(([key, column]) => cellText(row[key], column, { language, zone })),
  );
  return stringify([titles, ...lines], { bom: true, record_delimiter: 'windows' });
}

/** Puts an apostrophe before a text that a spreadsheet would compute. Cells of numbers do not pass here: -1 stays -1. */
const asText = (text: string): string => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);

export async function xlsxOf(query: Query, rows: readonly Row[], reader: Reader): Promise<Buffer> {
  const list = Object.entries(query.columns);
  const titles = list.map(([, column]) => ({ value: titleOf(column, reader), fontWeight: 'bold' as const }));
  const lines = rows.map((row) => list.map(([key, column]) => cellOf(row[key], column, reader)));
  const sheet = { sheet: query.id, stickyRowsCount: 1, columns: list.map(() => ({ width: 18 })) };
  return writeXlsx([titles, ...lines], sheet).toBuffer();
}

function cellOf(value: unknown, column: Column, reader: Reader) {
  if (value === null || value === undefined) return null;
  if (typeof value === 'number' && column.type === 'number') return { value, type: Number };
  if (typeof value === 'number' && column.type === 'ratio') return { value, type: Number, format: '0.0%' };
  return { value: cellOfSheet(cellText(value, column, reader)), type: String };
}

/** Maximum length of the text of a cell, UTF-16 units: Excel calls a file with a longer one damaged. */
const MOST_CHARACTERS = 32_767;

/** Cuts a text that is too long for a cell, and leaves out code points that are no characters: Excel calls a file with either damaged. */
const cellOfSheet = (text: string): string => {
  const whole = text.replaceAll(/[\ufffe\uffff]/g, '');
  return whole.length <= MOST_CHARACTERS ? whole : `${whole.slice(0, MOST_CHARACTERS - 1)}…`;
};

function cellText(value: unknown, { type }: Column, { language, zone }: Reader): string {
  if (value === null || value === undefined) return '';
  switch (type) {
    case 'instant':
      return dateTimeOf(zone, value as number);
    case 'list':
      return asText((value as readonly string[]).join(LIST_SEPARATOR));
    case 'text':
      return asText(value as string);
    case 'names':
      return asText((value as Record<Language, string>)[language]);
    case 'number':
    case 'ratio':
    case 'yes':
      return String(value);
    default:
      return type satisfies never;
  }
}

/** Answers of queries as files: CSV and xlsx with titles in one language. What begins like a formula is made text (no cell computes). */
import { stringify } from 'csv-stringify/sync';
import writeXlsx from 'write-excel-file/node';
import { DEFAULT_CALENDAR } from '../../graph/work-days.ts';
import type { Language } from '../language.ts';
import type { Column, Query, Row } from './query.ts';

const LIST_SEPARATOR = ' ';

/** With a byte order mark: without it Excel reads Chinese as something else. */
export function csvOf({ columns }: Query, rows: readonly Row[], language: Language): string {
  const list = Object.entries(columns);
  const titles = list.map(([, column]) => column[language]);
  const lines = rows.map((row) => list.map(([key, column]) => cellText(row[key], column, language)));
  return stringify([titles, ...lines], { bom: true, record_delimiter: 'windows' });
}

/** What a spreadsheet would compute gets an apostrophe before it. Numbers of ours are no text: -1 stays -1. */
const asText = (text: string): string => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);

export async function xlsxOf(query: Query, rows: readonly Row[], language: Language): Promise<Buffer> {
  const list = Object.entries(query.columns);
  const titles = list.map(([, column]) => ({ value: column[language], fontWeight: 'bold' as const }));
  const lines = rows.map((row) => list.map(([key, column]) => cellOf(row[key], column, language)));
  const sheet = { sheet: query.id, stickyRowsCount: 1, columns: list.map(() => ({ width: 18 })) };
  return writeXlsx([titles, ...lines], sheet).toBuffer();
}

function cellOf(value: unknown, column: Column, language: Language) {
  if (value === null || value === undefined) return null;
  if (typeof value === 'number' && column.type === 'number') return { value, type: Number };
  if (typeof value === 'number' && column.type === 'ratio') return { value, type: Number, format: '0.0%' };
  return { value: cellOfSheet(cellText(value, column, language)), type: String };
}

/** What Excel takes for damage in a cell: more text than it holds, characters that are none. */
const MOST_CHARACTERS = 32_767;
const cellOfSheet = (text: string): string => {
  const whole = text.replaceAll(/[\ufffe\uffff]/g, '');
  return whole.length <= MOST_CHARACTERS ? whole : `${whole.slice(0, MOST_CHARACTERS - 1)}…`;
};

function cellText(value: unknown, { type }: Column, language: Language): string {
  if (value === null || value === undefined) return '';
  switch (type) {
    case 'instant':
      return localTime(value as number);
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

const LOCAL = new Intl.DateTimeFormat('sv-SE', {
  dateStyle: 'short',
  timeStyle: 'medium',
  timeZone: DEFAULT_CALENDAR.timeZone,
});

/** `2026-11-22 02:10:33` in the platforms' zone. */
const localTime = (at: number): string => LOCAL.format(at);

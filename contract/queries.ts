/** Template queries: the list of them, and what one answers. */
import { z } from 'zod';
import { BothNames, type Infer, Instant, PageQuery } from './fields.ts';

/** Types of cells, which decide how files and terminals write them. Instants are ms; a `ratio` of 0.1 is 10 %. */
const CELL_TYPES = ['text', 'names', 'number', 'instant', 'ratio', 'yes', 'list'] as const;
export type CellType = (typeof CELL_TYPES)[number];

export const CATEGORIES = ['system', 'dependency', 'exception', 'support'] as const;
export type Category = (typeof CATEGORIES)[number];

export const QueryColumn = z.object({
  key: z.string(),
  type: z.enum(CELL_TYPES),
  en: z.string(),
  zh: z.string(),
});
export type QueryColumn = Infer<typeof QueryColumn>;

export const QuerySummary = z.object({
  id: z.string(),
  category: z.enum(CATEGORIES),
  names: BothNames,
  question: BothNames,
  rule: BothNames,
  /** Names of the inputs. */
  inputs: z.array(z.string()),
  columns: z.array(QueryColumn),
  example: z.string(),
});
export type QuerySummary = Infer<typeof QuerySummary>;

export const QueryList = z.object({ items: z.array(QuerySummary) });
export type QueryList = Infer<typeof QueryList>;

/** `csv` and `xlsx` hold all rows, titles in the language of Accept-Language. */
export const QueryFormat = { format: z.enum(['json', 'csv', 'xlsx']).default('json'), ...PageQuery };

/** One page of the rows; they were found at `now`, and the next page runs the query again. */
export const queryAnswer = <T extends z.ZodType>(row: T) =>
  z.object({
    query: z.string(),
    /** The inputs that were asked with, defaults filled in. */
    about: z.record(z.string(), z.string()),
    now: Instant,
    /** The time zone in which files and terminals write instants. */
    timeZone: z.string(),
    columns: z.array(QueryColumn),
    total: z.int(),
    items: z.array(row),
    nextCursor: z.string().nullable(),
  });
export type QueryAnswer = Infer<ReturnType<typeof queryAnswer<z.ZodType<Readonly<Record<string, unknown>>>>>>;

/**
 * A template query: a question that operators ask every day, with its inputs and the columns of its answer (docs/queries.md). One
 * definition serves the route, the OpenAPI document, the files and the command line.
 */
import { z } from 'zod';
import { BothNames, type Infer } from '../../contract/fields.ts';
import type { Category, CellType } from '../../contract/queries.ts';
import type { Sentence } from '../../graph/text/sentence.ts';
import type { ServiceDeps } from '../deps.ts';

/** A title in both languages, and the schema of the cell; every cell may be empty. */
export interface Column<T = unknown> {
  readonly type: CellType;
  readonly en: string;
  readonly zh: string;
  readonly schema: z.ZodType<T>;
}

const column =
  <T>(type: CellType, schema: z.ZodType<T>) =>
  (en: string, zh: string): Column<T | null> => ({ type, en, zh, schema: schema.nullable() });

export const textColumn = column('text', z.string());
/** In both languages; files and terminals show one. */
export const namesColumn = column('names', BothNames);
export const numberColumn = column('number', z.number());
export const instantColumn = column('instant', z.int());
export const ratioColumn = column('ratio', z.number());
export const yesColumn = column('yes', z.boolean());
export const listColumn = column('list', z.array(z.string()));

export type Columns = Readonly<Record<string, Column>>;
export type RowOf<C extends Columns> = { readonly [K in keyof C]: Infer<C[K]['schema']> };

/** The rows in their order. `about`: the inputs that were asked with, defaults filled in: `{ date: '2026-11-22' }`. */
export interface Answer<Row> {
  readonly about: Readonly<Record<string, string>>;
  readonly rows: readonly Row[];
}

interface Definition<I extends z.ZodRawShape, C extends Columns> {
  readonly id: string;
  readonly category: Category;
  readonly names: Sentence;
  readonly question: Sentence;
  /** What a row is, and by which rule it is found or counted. */
  readonly rule: Sentence;
  readonly input: I;
  readonly columns: C;
  /** Inputs that show something on the shipped catalogue: `flows=P04.DwdBill`. */
  readonly example: string;
  readonly answer: (deps: ServiceDeps, input: z.output<z.ZodObject<I>>) => Promise<Answer<RowOf<C>>>;
}

export interface Query extends Omit<Definition<z.ZodRawShape, Columns>, 'answer'> {
  readonly answer: (deps: ServiceDeps, input: Readonly<Record<string, unknown>>) => Promise<Answer<Row>>;
}

export type Row = Readonly<Record<string, unknown>>;

export function defineQuery<const I extends z.ZodRawShape, const C extends Columns>(
  definition: Definition<I, C>,
): Query {
  return { ...definition, answer: (deps, input) => definition.answer(deps, input as never) };
}

/** By how much a value differs from its reference: 0.1 is a tenth more; null when either is missing, or the reference is 0. */
export const offset = (value: number | null, reference: number | null): number | null =>
  value === null || reference === null || reference === 0
    ? null
    : Math.round(((value - reference) / reference) * 10_000) / 10_000;

/** ms -> minutes with one decimal; null stays null. */
export const minutes = (ms: number | null): number | null =>
  ms === null ? null : Math.round(ms / 6_000) / 10;

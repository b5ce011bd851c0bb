/**
 * How large the sample is and how its values are drawn. Everything follows from `(seed, billItems, months)`: the same three
 * give the same rows on every machine, in whatever order the tables are filled, because a value is a hash of its row's
 * number and not the next number of a sequence.
 */

import { SluiceError } from '../../errors.ts';

/** Counts of the sample's entities; all derived from `billItems`, the rows of bill items of one month. */
export interface Scale {
  readonly seed: number;
  /** Accounting months, `yyyyMM`, ascending. */
  readonly months: readonly string[];
  readonly billItems: number;
  readonly users: number;
  readonly accounts: number;
  readonly customers: number;
  readonly groups: number;
  readonly cellsPerRegion: number;
}

/** Regions of the base-station maintenance: `R01` .. `R13`. */
export const REGIONS = 13;
export const ACC_ITEMS = 60;
export const SERVICES = 12;
export const PRODUCTS = 20;
export const PLANS = 24;

/**
 * Counts for `billItems` rows a month: 10 items a user, 4 users on 3 accounts, 5 accounts on 4 customers. Everything that
 * becomes part of a statement's text passes here: throws `invalid_period` for a month that is none and `sample_refused`
 * for numbers out of range.
 */
export function scaleOf(seed: number, months: readonly string[], billItems: number): Scale {
  for (const month of months) {
    if (!/^20\d{2}(0[1-9]|1[0-2])$/.test(month))
      throw new SluiceError('invalid_period', `'${month}' is no month of the sample; write it like 202610`);
  }
  const wrong =
    !Number.isInteger(seed) || seed < 0 || seed > 2 ** 31 || !Number.isInteger(billItems) || billItems < 1000;
  if (wrong || billItems > 5_000_000 || months.length === 0)
    throw new SluiceError(
      'sample_refused',
      `The sample takes a seed from 0 to 2^31, 1,000 to 5,000,000 bill items and at least one month (given: ${seed}, ${billItems}, ${months.length}).`,
    );
  const users = Math.max(100, Math.floor(billItems / 10));
  const accounts = Math.floor((users * 3) / 4);
  return {
    seed,
    months: [...months].sort(),
    billItems,
    users,
    accounts,
    customers: Math.floor((accounts * 4) / 5),
    groups: Math.max(8, Math.floor(users / 200)),
    cellsPerRegion: Math.max(3, Math.floor(users / 400)),
  };
}

/** First and last day of a month and its number since year 0; `202610` -> `2026-10-01`, `2026-10-31`, `20261031`. */
export interface MonthDays {
  readonly month: string;
  readonly first: string;
  readonly last: string;
  /** Last day as the business period of a day flow. */
  readonly lastDay: string;
  readonly days: number;
}

export function daysOf(month: string): MonthDays {
  const year = Number(month.slice(0, 4));
  const number = Number(month.slice(4));
  const days = new Date(Date.UTC(year, number, 0)).getUTCDate();
  const dash = `${month.slice(0, 4)}-${month.slice(4)}`;
  return { month, first: `${dash}-01`, last: `${dash}-${days}`, lastDay: `${month}${days}`, days };
}

/**
 * Draws: SQL expressions over a row's number. `salt` keeps the draws of two columns apart. PostgreSQL's own 64-bit hash is
 * used because it is the one hash that costs nothing per row (1 million rows of bill items in about 2 s); it knows no locale.
 */
export class Draw {
  readonly seed: number;

  constructor(seed: number) {
    this.seed = seed;
  }

  /** 0 .. n-1 */
  of(id: string, salt: number, n: number): string {
    return `((hashint8extended((${id})::bigint, ${this.seed * 1000 + salt}) & 9223372036854775807) % ${n})`;
  }

  /** from .. to, both included, as bigint */
  between(id: string, salt: number, from: number, to: number): string {
    return `(${from} + ${this.of(id, salt, to - from + 1)})`;
  }

  /** One of the words. */
  word(id: string, salt: number, words: readonly string[]): string {
    return `(array[${words.map((word) => `'${word}'`).join(', ')}])[1 + ${this.of(id, salt, words.length)}]`;
  }

  /** One of `n` codes; of the form `A0000` they are `A0001`, `A0002` ... */
  code(id: string, salt: number, form: string, n: number): string {
    const prefix = form.replace(/0+$/, '');
    return numbered(`1 + ${this.of(id, salt, n)}`, prefix, form.length - prefix.length);
  }
}

/** `A0012` out of 12. */
export function numbered(number: string, prefix: string, digits: number): string {
  return `('${prefix}' || lpad((${number})::text, ${digits}, '0'))`;
}

/** Fields that many requests and answers share. Instants are PostgreSQL's clock in integer ms since 1970. */
import { z } from 'zod';
import { STATES, type State } from '../graph/run/status.ts';
import { DEPTH_LIMIT, flawIn, isStorable, storable } from '../graph/text/storable-text.ts';

/** The same type with every field and list read-only, to any depth. */
type Immutable<T> = unknown extends T ? T : { readonly [K in keyof T]: Immutable<T[K]> };

/** What a schema yields. Nobody changes what was received or is to be sent, so everything in it is read-only. */
export type Infer<S extends z.ZodType> = Immutable<z.output<S>>;

/**
 * Text that the record can keep: without NUL and lone surrogates, at most `max` UTF-16 units. Every text of a request has this schema: one that
 * the record cannot keep would stop its run, as every exchange that reads it fails.
 */
export const text = (max: number) =>
  z.string().max(max).refine(isStorable, 'must not contain NUL or lone surrogates: remove the character');

/** JSON that the record can keep: every text in it, names of fields included; at most 100 deep and `max` characters long. */
export const storableJson = (max: number) =>
  z.unknown().superRefine((value, context) => {
    const flaw = flawIn(value);
    if (flaw !== null)
      context.addIssue({
        code: 'custom',
        path: [...flaw.path],
        message:
          flaw.what === 'too_deep'
            ? `must not lie more than ${DEPTH_LIMIT} deep`
            : 'must not contain NUL or lone surrogates: remove the character',
      });
    else if (JSON.stringify(value ?? null).length > max)
      context.addIssue({ code: 'custom', message: `at most ${max} characters` });
  });

/** Words of a program or of the system. They are cut and made storable, not refused: what comes with them must not be lost because of them. */
export const spokenText = (max: number) =>
  z.string().transform((value) => storable(value.length > max ? value.slice(0, max) : value));

/** An id as somebody typed it. Nothing more is checked here: when it does not exist, the answer can say which id was perhaps meant. */
export const GivenId = text(160).min(1);

/** Says that a period far ahead is meant; otherwise it is refused (docs/errors.md, far_period). */
export const Far = z.boolean().optional();

export const Instant = z.int().min(0);

export const StateName = z.enum(STATES as [State, ...State[]]);

export const BothNames = z.object({ en: z.string(), zh: z.string() });

export const PageQuery = {
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  /** `nextCursor` of the page before; default: the first page. */
  cursor: text(400).optional(),
};

/** One page of a list; `nextCursor` is null on the last one. */
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable() });

/** `a,b` or `a` -> ['a', 'b']. */
export const listOf = <T extends z.ZodType<unknown, string>>(item: T) =>
  text(2_000)
    .transform((value) => value.split(',').filter((part) => part !== ''))
    .pipe(z.array(item));

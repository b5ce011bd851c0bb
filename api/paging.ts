/** Cursors of lists: opaque to callers, checked when they come back. */
import { z } from 'zod';
import { SluiceError } from '../errors.ts';

/** The cursor of the page that begins after this position. */
export function cursorOf(position: unknown): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

/** Throws `invalid_cursor`. */
export function positionOf<T>(schema: z.ZodType<T>, cursor: string | undefined): T | null {
  if (cursor === undefined) return null;
  try {
    return schema.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')));
  } catch {
    throw new SluiceError('invalid_cursor', 'the cursor does not belong to this list');
  }
}

/** The page of `limit` items out of `limit + 1` rows: the last row only shows that there is a next page. */
export function page<Row, Item>(
  rows: readonly Row[],
  limit: number,
  item: (row: Row) => Item,
  position: (row: Row) => unknown,
): { items: Item[]; nextCursor: string | null } {
  const kept = rows.slice(0, limit);
  const last = kept.at(-1);
  const more = rows.length > limit && last !== undefined;
  return { items: kept.map(item), nextCursor: more ? cursorOf(position(last)) : null };
}

export const AtId = z.object({ at: z.number(), id: z.string().max(200) });

/** Rows into a table by COPY, in the text format of PostgreSQL. */
import { once } from 'node:events';
import copy from 'pg-copy-streams';
import type { Queryable } from './pool.ts';

/** A field of a row; null is NULL. */
export type Field = string | number | null;

/** Text is sent in pieces of this length, characters: one write a row would be slow, one for all too large. */
const CHUNK = 1 << 16;

/** Writes rows into `into`, written `table (columns)`. Memory: one piece. */
export async function copyRows<T>(
  client: Queryable,
  into: string,
  rows: readonly T[],
  fields: (row: T) => readonly Field[],
): Promise<void> {
  if (rows.length === 0) return;
  const stream = client.query(copy.from(`copy ${into} from stdin`));
  const ended = new Promise<void>((resolve, reject) => {
    stream.once('finish', resolve);
    stream.once('error', reject);
  });
  // Awaited below; until then an error must not count as nobody's.
  ended.catch(() => {});
  let chunk = '';
  for (const row of rows) {
    chunk += `${fields(row).map(escaped).join('\t')}\n`;
    if (chunk.length < CHUNK) continue;
    if (!stream.write(chunk)) await Promise.race([once(stream, 'drain'), ended]);
    chunk = '';
  }
  stream.end(chunk);
  await ended;
}

function escaped(field: Field): string {
  if (field === null) return '\\N';
  if (typeof field === 'number') return String(field);
  return /[\\\t\n\r]/.test(field) ? field.replace(/[\\\t\n\r]/g, (entry) => ESCAPES[entry]!) : field;
}

const ESCAPES: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

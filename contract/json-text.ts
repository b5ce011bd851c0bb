/** Finds numbers in a JSON text that a double would change, so that none is rounded unseen. */
import { isExact } from '../graph/text/exact-number.ts';

/** Numbers that a double may change: 16 digits that begin with 9, 17 digits and more, an exponent. Epochs (16 digits) do not match. */
const DOUBTFUL = /[:,[]\s*-?(?:9\d{15}|[\d.]{17}|[\d.]+[eE])/;
/** The same where the text is one number. As a part of the other pattern it makes the search of 4 MB take 18 ms instead of 11. */
const DOUBTFUL_ALONE = /^\s*-?[\d.]{16}/;

class Inexact {
  readonly source: string;
  constructor(source: string) {
    this.source = source;
  }
}

export interface InexactNumber {
  readonly path: readonly string[];
  readonly source: string;
  /** The number that a double makes of it. */
  readonly read: string;
}

/** The first number of a JSON text that a double does not keep; null when all are kept. The text must be JSON. O(length). */
export function inexactNumber(text: string): InexactNumber | null {
  if (!DOUBTFUL.test(text) && !DOUBTFUL_ALONE.test(text)) return null;
  let any = false;
  const value: unknown = JSON.parse(text, ((
    _key: string,
    inner: unknown,
    { source }: { source?: string },
  ) => {
    if (typeof inner !== 'number' || source === undefined || isExact(source)) return inner;
    any = true;
    return new Inexact(source);
  }) as (key: string, value: unknown) => unknown);
  return any ? find(value, []) : null;
}

function find(value: unknown, path: readonly string[]): InexactNumber | null {
  if (value instanceof Inexact) return { path, source: value.source, read: String(Number(value.source)) };
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, below] of Object.entries(value)) {
    const found = find(below, [...path, key]);
    if (found !== null) return found;
  }
  return null;
}

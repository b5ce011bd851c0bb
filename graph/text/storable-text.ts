/**
 * Which text the record can keep; everything that lets text in uses this one definition. PostgreSQL stores no NUL in text, and reads neither
 * NUL nor lone surrogates out of JSON. Such a text that gets in stops whatever reads it later (protocol A5).
 */
import type { Sentence } from './sentence.ts';

export type TextFlaw = 'nul' | 'lone_surrogate';

/** The first character of `text` that cannot be stored, with its index in UTF-16 units; null when there is none. O(length), native. */
export function flawOf(text: string): { readonly what: TextFlaw; readonly at: number } | null {
  const nul = text.indexOf('\0');
  if (text.isWellFormed()) return nul < 0 ? null : { what: 'nul', at: nul };
  const lone = text.search(/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/);
  return nul >= 0 && nul < lone ? { what: 'nul', at: nul } : { what: 'lone_surrogate', at: lone };
}

export const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes('\0');

/** The same text with what cannot be stored made visible: NUL as its picture, a lone surrogate as the replacement character. */
export const storable = (text: string): string =>
  isStorable(text) ? text : text.replaceAll('\0', '␀').toWellFormed();

/** In words, for messages. */
export const FLAWS: Readonly<Record<TextFlaw, Sentence>> = {
  nul: { en: 'a NUL character (U+0000)', zh: 'NUL 字符 (U+0000)' },
  lone_surrogate: {
    en: 'half of a surrogate pair (U+D800 to U+DFFF)',
    zh: '不成对的代理字符 (U+D800–U+DFFF)',
  },
};

/** How deep arrays and objects may lie in one another, in what enters as JSON or YAML. */
export const DEPTH_LIMIT = 100;

export interface ValueFlaw {
  readonly what: TextFlaw | 'too_deep';
  /** Keys and indices to the text, or to the object whose key it is. */
  readonly path: readonly (string | number)[];
  readonly inKey: boolean;
}

/** The first text of a JSON value, keys included, that cannot be stored, or the place that lies too deep; null when there is none. */
export function flawIn(value: unknown): ValueFlaw | null {
  const path: (string | number)[] = [];
  const seek = (inner: unknown): ValueFlaw | null => {
    if (typeof inner === 'string') {
      const flaw = flawOf(inner);
      return flaw === null ? null : { what: flaw.what, path: [...path], inKey: false };
    }
    if (typeof inner !== 'object' || inner === null) return null;
    if (path.length >= DEPTH_LIMIT) return { what: 'too_deep', path: [...path], inKey: false };
    const list = Array.isArray(inner);
    for (const [key, below] of Object.entries(inner)) {
      const flaw = list ? null : flawOf(key);
      if (flaw !== null) return { what: flaw.what, path: [...path], inKey: true };
      path.push(list ? Number(key) : key);
      const found = seek(below);
      if (found !== null) return found;
      path.pop();
    }
    return null;
  };
  return seek(value);
}

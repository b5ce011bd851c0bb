/**
 * Encodings that a program's output may be declared to have: those of the Encoding Standard (https://encoding.spec.whatwg.org) in which a
 * line end is the byte 10 and no part of another character, so that bytes can be cut between lines without decoding them. An encoding is
 * declared, never guessed.
 */

/** The encoding of output for which none is declared. */
export const DEFAULT_ENCODING = 'utf-8';

/** Names that systems use and the standard lacks. */
const ALIASES: Readonly<Record<string, string>> = { cp936: 'gbk', cp950: 'big5', cp65001: 'utf-8' };
/** Units of two bytes, characters that depend on an escape some lines before, and no encoding at all. */
const UNFIT = /^(utf-16|iso-2022|replacement$|x-user-defined$)/;
/** Bytes of the longest character, that of utf-8 and gb18030. */
const LONGEST = 4;

/** A name as the standard has it, or as it was given. */
export const labelOf = (name: string): string => ALIASES[name.toLowerCase()] ?? name.toLowerCase();

/** The standard's name of an encoding; undefined when output cannot be declared to have it. */
export function encodingNamed(name: string): string | undefined {
  try {
    const { encoding } = new TextDecoder(labelOf(name));
    return UNFIT.test(encoding) ? undefined : encoding;
  } catch {
    return undefined;
  }
}

/** Bytes as text, U+FFFD in place of what is no character. `encoding`: a name that `encodingNamed` knows. */
export function decoded(bytes: Uint8Array, encoding: string): string {
  return decoderOf(encoding).decode(bytes);
}

/** How many of the bytes are whole characters: less than all when the last one is cut. The first byte begins a character. O(bytes). */
export function wholeCharacters(bytes: Uint8Array, encoding: string): number {
  const line = bytes.lastIndexOf(10) + 1;
  const last = bytes.subarray(line);
  for (let cut = 0; cut < Math.min(LONGEST, last.length + 1); cut++) {
    const decoder = decoderOf(encoding);
    decoder.decode(last.subarray(0, last.length - cut), { stream: true });
    if (decoder.decode() === '') return bytes.length - cut;
  }
  return bytes.length;
}

/** A byte order mark is a character of the output like any other. */
const decoderOf = (encoding: string) => new TextDecoder(labelOf(encoding), { ignoreBOM: true });

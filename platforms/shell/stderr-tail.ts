/** The end of what a program said on stderr, for the reason of its failure. */
import { decoded } from '../../encoding.ts';
import type { Ending } from '../platform.ts';
import type { LogFile } from './log-file.ts';

const MOST_LINES = 5;
const MOST_CHARACTERS = 1_000;
/** Read from the end of the file: the characters in the longest encoding, and room for blank lines. */
const READ_BYTES = 8_192;
/** Control characters, what turns the direction of writing, and what ends a line without looking like it. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** Its last lines that say something, what cannot be seen written out; '' when there are none. */
export function stderrTail(file: LogFile, encoding: string): string {
  const from = Math.max(0, file.size - READ_BYTES);
  const bytes = file.read(from, file.size);
  const whole = from === 0 ? [] : linesOf(bytes.subarray(bytes.indexOf(10) + 1), encoding);
  // Where the last line is longer than all that is read, its end is what there is; its first characters may be wrong.
  const lines = whole.length > 0 ? whole : linesOf(bytes, encoding);
  return lastCharacters(lines.slice(-MOST_LINES).join('\n'));
}

const linesOf = (bytes: Buffer, encoding: string): string[] =>
  decoded(bytes, encoding)
    .split(/[\r\n]+/)
    .map((line) => line.replaceAll('\t', ' ').replace(UNSEEN, shown).trimEnd())
    .filter((line) => line !== '');

/** A failure of the program with what it said; other endings have their reason already. */
export function withTail(ending: Ending, tailOf: () => string): Ending {
  if (ending.outcome !== 'failed' || ending.kind === 'infrastructure') return ending;
  const tail = tailOf();
  return tail === '' ? ending : { ...ending, message: `${ending.message}\nstderr: ${tail}` };
}

const shown = (character: string): string => {
  const code = character.charCodeAt(0);
  return code < 0x100
    ? `\\x${code.toString(16).padStart(2, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`;
};

function lastCharacters(text: string): string {
  const characters = [...text];
  return characters.length <= MOST_CHARACTERS ? text : `…${characters.slice(1 - MOST_CHARACTERS).join('')}`;
}

/** The end of what a program wrote to stderr, for the reason of its failure. */

import type { Ending } from '../../contract/agent.ts';
import { decoded } from '../../encoding.ts';
import type { LogFile } from './log-file.ts';

/** The reason of a failure takes this many lines and characters of stderr. */
const LINE_LIMIT = 5;
const CHARACTER_LIMIT = 1_000;
/** Bytes that are read from the end of the file: enough for the characters in the longest encoding and for some blank lines. */
const READ_BYTES = 8_192;
/** Control characters, characters that change the direction of writing, and unusual line ends. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** The last lines that are not blank, with invisible characters escaped; '' when there are none. */
export function stderrTail(file: LogFile, encoding: string): string {
  const from = Math.max(0, file.size - READ_BYTES);
  const bytes = file.read(from, file.size);
  const whole = from === 0 ? [] : linesOf(bytes.subarray(bytes.indexOf(10) + 1), encoding);
  // When the last line is longer than what is read, only its end is shown; its first characters may be wrong.
  const lines = whole.length > 0 ? whole : linesOf(bytes, encoding);
  return lastCharacters(lines.slice(-LINE_LIMIT).join('\n'));
}

const linesOf = (bytes: Buffer, encoding: string): string[] =>
  decoded(bytes, encoding)
    .split(/[\r\n]+/)
    .map((line) => line.replaceAll('\t', ' ').replace(UNSEEN, escaped).trimEnd())
    .filter((line) => line !== '');

/** Adds the end of stderr to a failure of the program. Other endings have their reason already. */
export function withTail(ending: Ending, tailOf: () => string): Ending {
  if (ending.outcome !== 'failed' || ending.kind === 'infrastructure') return ending;
  const tail = tailOf();
  return tail === '' ? ending : { ...ending, message: `${ending.message}\nstderr: ${tail}` };
}

const escaped = (character: string): string => {
  const code = character.charCodeAt(0);
  return code < 0x100
    ? `\\x${code.toString(16).padStart(2, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`;
};

function lastCharacters(text: string): string {
  const characters = [...text];
  return characters.length <= CHARACTER_LIMIT ? text : `…${characters.slice(1 - CHARACTER_LIMIT).join('')}`;
}

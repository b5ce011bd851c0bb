/**
 * Turns the bytes of a catalogue's file into text. A file is UTF-8, unless its byte order mark or `encodings:` in a file at the top of the catalogue
 * says otherwise; nothing is guessed. What cannot be read is a finding with the place of the first bad byte.
 */
import { labelOf } from '../../encoding.ts';
import type { Finding, Path } from './problems.ts';
import type { Sentence } from './sentence.ts';
import { FLAWS, flawOf } from './storable-text.ts';

/** Encodings by the pattern of the paths for which they are declared, in the order in which they are written: the first pattern that fits counts. */
export type Encodings = ReadonlyMap<string, string>;

/** Byte order marks. That of UTF-32LE begins with that of UTF-16LE, so longer marks come first. */
const MARKS: readonly { readonly encoding: string; readonly bytes: readonly number[] }[] = [
  { encoding: 'utf-32le', bytes: [0xff, 0xfe, 0, 0] },
  { encoding: 'utf-32be', bytes: [0, 0, 0xfe, 0xff] },
  { encoding: 'utf-8', bytes: [0xef, 0xbb, 0xbf] },
  { encoding: 'utf-16le', bytes: [0xff, 0xfe] },
  { encoding: 'utf-16be', bytes: [0xfe, 0xff] },
];

export const UTF8_MARK = '\ufeff';

/** What is wrong with a file, and where: line and column count from 1, the column in UTF-16 units of the text that could be read before it. */
export interface FileFlaw {
  readonly code: 'text_encoding' | 'text_not_storable';
  readonly message: Sentence;
  readonly line: number;
  readonly column: number;
}

/** The text of a file, without byte order mark; `declared` as `encodingFor` gives it. O(n); a bad file costs O(n log n). */
export function decode(bytes: Uint8Array, declared: string | null): { readonly text: string } | FileFlaw {
  const mark = MARKS.find((mark) => mark.bytes.every((byte, i) => bytes[i] === byte))?.encoding ?? null;
  // The mark of UTF-8 counts more than the declaration: a program may have saved this one file as UTF-8.
  const encoding = mark === 'utf-8' ? 'utf-8' : (declared ?? 'utf-8');
  if (mark !== null && mark !== encoding)
    return { code: 'text_encoding', ...markedAs(mark, declared), ...TOP };
  let text: string;
  try {
    text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return undecodable(bytes, encoding);
  }
  const flaw = flawOf(text);
  if (flaw === null) return { text };
  const { en, zh } = FLAWS[flaw.what];
  const wide = declared === null ? likelyUtf16(bytes) : null;
  const hint =
    wide === null
      ? { en: 'remove it', zh: '请删除' }
      : {
          en: `the file looks like ${wide} without a byte order mark: save it as UTF-8, or declare it under encodings`,
          zh: `该文件像是没有 BOM 的 ${wide}：请另存为 UTF-8，或在 encodings 中声明`,
        };
  return {
    code: 'text_not_storable',
    message: { en: `${en} cannot be stored; ${hint.en}`, zh: `${zh}无法存储；${hint.zh}` },
    ...placeAfter(text.slice(0, flaw.at)),
  };
}

const TOP = { line: 1, column: 1 };

function markedAs(mark: string, declared: string | null): Pick<FileFlaw, 'message'> {
  const name = mark.toUpperCase();
  const was =
    declared === null ? { en: '', zh: '' } : { en: `, not ${declared}`, zh: `，而不是 ${declared}` };
  return {
    message: {
      en: `the file is ${name}, its byte order mark says so${was.en}: save it as UTF-8, or declare it under encodings`,
      zh: `BOM 表明该文件是 ${name}${was.zh}：请另存为 UTF-8，或在 encodings 中声明`,
    },
  };
}

/** Finds the first bad character by bisection: the longest beginning of the file that can be decoded ends there. */
function undecodable(bytes: Uint8Array, encoding: string): FileFlaw {
  const begin = (length: number): string | null => {
    try {
      return new TextDecoder(encoding, { fatal: true }).decode(bytes.subarray(0, length), { stream: true });
    } catch {
      return null;
    }
  };
  let good = 0;
  let bad = bytes.length + 1;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (begin(middle) === null) bad = middle;
    else good = middle;
  }
  const read = begin(good) ?? '';
  // When a character begins and does not go on, its first byte is the place.
  const at = good - unfinished(bytes, good, read, begin);
  const byte = bytes[at]?.toString(16).toUpperCase().padStart(2, '0') ?? '';
  const name = encoding.toUpperCase();
  const end = good > at;
  return {
    code: 'text_encoding',
    message: {
      en: `not ${name}: byte ${at + 1} (0x${byte}) ${end ? 'begins a character that does not end' : 'belongs to no character'}; save the file as UTF-8, or declare its encoding: encodings: { "PATH": gb18030 }`,
      zh: `不是 ${name}：第 ${at + 1} 字节 (0x${byte}) ${end ? '起的字符不完整' : '不属于任何字符'}；请另存为 UTF-8，或声明编码：encodings: { "路径": gb18030 }`,
    },
    ...placeAfter(read),
  };
}

/** Number of bytes before `good` that belong to a character which is not complete there. */
function unfinished(
  bytes: Uint8Array,
  good: number,
  read: string,
  begin: (length: number) => string | null,
): number {
  let back = 0;
  while (back < 3 && back < good && begin(good - back - 1) === read) back++;
  return Math.min(back, bytes.length);
}

function placeAfter(read: string): { line: number; column: number } {
  const lines = read.split(/\r\n|\r|\n/);
  return { line: lines.length, column: lines.at(-1)!.length + 1 };
}

/** What a file without a mark looks like, for the message only: at its beginning every other byte is zero, or many of them are. */
function likelyUtf16(bytes: Uint8Array): 'UTF-16LE' | 'UTF-16BE' | null {
  const head = bytes.subarray(0, 64);
  const zeros = (parity: number): number => head.filter((byte, i) => byte === 0 && i % 2 === parity).length;
  if (zeros(1) * 4 > head.length && zeros(0) === 0) return 'UTF-16LE';
  if (zeros(0) * 4 > head.length && zeros(1) === 0) return 'UTF-16BE';
  return null;
}

/** The encoding declared for a file of the catalogue; null: none. */
export function encodingFor(path: string, encodings: Encodings): string | null {
  for (const [pattern, encoding] of encodings) if (fits(pattern, path)) return encoding;
  return null;
}

/** Whether a path fits a pattern: `**` stands for any folders, `*` for anything within a name, `?` for one character. */
function fits(pattern: string, path: string): boolean {
  const source = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&').replace(/\*\*\/?|\*|\?/g, (sign) => {
    if (sign === '**/') return '(?:.*/)?';
    return sign === '**' ? '.*' : sign === '*' ? '[^/]*' : '[^/]';
  });
  return new RegExp(`^${source}$`, 'u').test(path);
}

/** Whether a file stands at the top of the catalogue: it is UTF-8 itself, and may say how others are encoded. */
export const isTop = (path: string): boolean => !path.includes('/');

/** What `encodings:` of a file says; `top`: whether the file stands at the top of the catalogue, where it counts. */
export function readEncodings(
  value: unknown,
  top: boolean,
): { readonly encodings: Encodings; readonly findings: readonly Finding[] } {
  const encodings = new Map<string, string>();
  const findings: Finding[] = [];
  const refuse = (path: Path, en: string, zh: string): void => {
    findings.push({
      code: 'invalid_value',
      severity: 'error',
      message: { en, zh },
      path,
      id: null,
      at: 'value',
    });
  };
  if (value === null || value === undefined) return { encodings, findings };
  if (!top)
    refuse(
      ['encodings'],
      'encodings counts only in a file at the top of the catalogue',
      'encodings 只能写在目录顶层的文件中',
    );
  else if (typeof value !== 'object' || Array.isArray(value))
    refuse(
      ['encodings'],
      'encodings is written like: encodings: { "programs/legacy/**": gb18030 }',
      'encodings 写作：encodings: { "programs/legacy/**": gb18030 }',
    );
  else
    for (const [pattern, name] of Object.entries(value)) {
      const encoding = typeof name === 'string' ? nameOf(name) : null;
      if (encoding === null)
        refuse(
          ['encodings', pattern],
          `there is no encoding ${JSON.stringify(name)}; known are utf-8, gbk, gb18030, big5, utf-16le, utf-16be and others of the Encoding Standard`,
          `没有编码 ${JSON.stringify(name)}；可用 utf-8、gbk、gb18030、big5、utf-16le、utf-16be 等`,
        );
      else encodings.set(pattern, encoding);
    }
  return { encodings, findings };
}

function nameOf(label: string): string | null {
  try {
    return new TextDecoder(labelOf(label), { fatal: true }).encoding;
  } catch {
    return null;
  }
}

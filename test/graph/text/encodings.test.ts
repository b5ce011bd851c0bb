import { describe, expect, test } from 'vitest';
import { decode, encodingFor, readEncodings } from '../../../graph/text/encodings.ts';

const bytes = (...parts: (string | number[])[]): Uint8Array =>
  Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'utf8') : Buffer.from(part))),
  );
/** 北京 in GBK. */
const GBK = [0xb1, 0xb1, 0xbe, 0xa9];

describe('the text of a file', () => {
  test.each([
    ['UTF-8', bytes('select 1 -- 北京'), null, 'select 1 -- 北京'],
    ['a byte order mark is dropped', bytes([0xef, 0xbb, 0xbf], 'select 1'), null, 'select 1'],
    ['a file of one character that is no mark', bytes('﷐'), null, '﷐'],
    ['GBK where it is declared', bytes("'", GBK, "'"), 'gbk', "'北京'"],
    ['UTF-16 where it is declared', bytes([0xff, 0xfe, 0x17, 0x53, 0xac, 0x4e]), 'utf-16le', '北京'],
    [
      'the mark of UTF-8 counts more than a declaration: exported files begin with it',
      bytes([0xef, 0xbb, 0xbf], '北京'),
      'gbk',
      '北京',
    ],
    ['nothing', bytes(), null, ''],
  ])('%s', (_name, given, declared, want) => {
    expect(decode(given, declared)).toEqual({ text: want });
  });

  test.each([
    [
      'GBK that nobody declared',
      bytes('a\nb ', GBK),
      null,
      'text_encoding',
      2,
      3,
      /not UTF-8: byte 5 \(0xB1\)/,
    ],
    ['after Windows line ends', bytes('a\r\nb\r\n', GBK), null, 'text_encoding', 3, 1, /byte 7/],
    [
      'a character cut off at the end',
      bytes('北', [0xe5, 0x8c]),
      null,
      'text_encoding',
      1,
      2,
      /byte 4 \(0xE5\) begins/,
    ],
    [
      'a character cut off by the next',
      bytes([0xe5, 0x8c], 'x'),
      null,
      'text_encoding',
      1,
      1,
      /byte 1 \(0xE5\) begins/,
    ],
    ['an encoded surrogate', bytes('ab', [0xed, 0xa0, 0x80]), null, 'text_encoding', 1, 3, /byte 3 \(0xED\)/],
    [
      'bytes that are no GBK either',
      bytes('x\n', GBK, [0xff], 'A'),
      'gbk',
      'text_encoding',
      2,
      3,
      /not GBK: byte 7 \(0xFF\)/,
    ],
    ['UTF-16 by its mark', bytes([0xff, 0xfe, 0x61, 0]), null, 'text_encoding', 1, 1, /the file is UTF-16LE/],
    [
      'UTF-16 against its declaration',
      bytes([0xfe, 0xff, 0, 0x61]),
      'gbk',
      'text_encoding',
      1,
      1,
      /UTF-16BE.*not gbk/,
    ],
    ['UTF-32 by its mark', bytes([0xff, 0xfe, 0, 0, 0x61, 0, 0, 0]), null, 'text_encoding', 1, 1, /UTF-32LE/],
    [
      'UTF-16 without a mark',
      bytes([0x61, 0, 0x62, 0]),
      null,
      'text_not_storable',
      1,
      2,
      /looks like UTF-16LE/,
    ],
    ['NUL', bytes('select 1\n  \0'), null, 'text_not_storable', 2, 3, /NUL character/],
  ])('is refused with its place: %s', (_name, given, declared, code, line, column, message) => {
    const found = decode(given, declared);
    expect(found).toMatchObject({ code, line, column });
    expect((found as { message: { en: string } }).message.en).toMatch(message);
  });
});

describe('encodings of a catalogue', () => {
  test.each([
    ['programs/**', 'programs/a/b.sql', true],
    ['programs/**', 'other/a.sql', false],
    ['**/*.sql', 'programs/a.sql', true],
    ['**/*.sql', 'a.sql', true],
    ['programs/*.sql', 'programs/a/b.sql', false],
    ['programs/?.sql', 'programs/é.sql', true],
    ['programs/a.sql', 'programs/abxql', false],
    ['programs/a+(b).sql', 'programs/a+(b).sql', true],
  ])('%s and %s', (pattern, path, fits) => {
    expect(encodingFor(path, new Map([[pattern, 'gbk']]))).toBe(fits ? 'gbk' : null);
  });

  test('the first pattern that fits counts', () => {
    // The names that programs' output is declared by are known here, too.
    expect([...readEncodings({ '**': 'cp936' }, true).encodings.values()]).toEqual(['gbk']);
    const { encodings } = readEncodings({ 'programs/new/**': 'utf-8', '**': 'GB18030' }, true);
    expect(encodingFor('programs/new/a.sql', encodings)).toBe('utf-8');
    expect(encodingFor('programs/old/a.sql', encodings)).toBe('gb18030');
  });

  test('what is none is refused with its place', () => {
    const told = (value: unknown, top = true) =>
      readEncodings(value, top).findings.map(({ path, message }) => `${path.join('.')} ${message.en}`);
    expect(told({ '**': 'klingon' })).toEqual([
      expect.stringMatching(/^encodings\.\*\* there is no encoding "klingon"/),
    ]);
    expect(told({ '**': 936 })).toEqual([expect.stringMatching(/there is no encoding 936/)]);
    expect(told(['gbk'])).toEqual([expect.stringMatching(/^encodings encodings is written like/)]);
    expect(told({ '**': 'gbk' }, false)).toEqual([expect.stringMatching(/only in a file at the top/)]);
    expect(told(null)).toEqual([]);
  });
});

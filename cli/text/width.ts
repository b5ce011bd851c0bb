/** How wide text stands in a terminal: Chinese characters take two columns, combining marks none; and text of others made harmless. */

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** East Asian wide and fullwidth, and emoji that terminals draw in two columns. */
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;
const NONE = /^\p{M}/u;
const ASCII = /^[\x20-\x7e]*$/;
/** The colours that `colour.ts` makes; nothing else of that kind is ever printed. */
const COLOUR_CODE = '\u001b\\[[0-9;]*m';
const COLOUR = new RegExp(COLOUR_CODE, 'g');

/** Columns that `text` takes; our own colours take none. */
export function widthOf(text: string): number {
  const plain = text.includes('\x1b') ? text.replace(COLOUR, '') : text;
  if (ASCII.test(plain)) return plain.length;
  let width = 0;
  for (const { segment } of segmenter.segment(plain))
    width += WIDE.test(segment) ? 2 : NONE.test(segment) ? 0 : 1;
  return width;
}

/** `text` filled with spaces to `width` columns; unchanged when it is wider. */
export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

export function padStart(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - widthOf(text))) + text;
}

/** At most `width` columns of uncoloured `text`, the last one an ellipsis when something had to go. */
export function truncate(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let kept = '';
  let used = 0;
  for (const { segment } of segmenter.segment(text)) {
    const wide = widthOf(segment);
    if (used + wide > width - 1) break;
    kept += segment;
    used += wide;
  }
  return width < 1 ? '' : `${kept}…`;
}

/**
 * Text of others (names, reasons, messages of programs) for one line of a terminal: control sequences, which could move the cursor,
 * repaint what stands there or write to the clipboard, are taken out, and line ends become spaces.
 */
export function oneLine(text: string): string {
  return harmless(text)
    .replace(/\s*\n\s*/g, ' ')
    .replace(/\t/g, ' ')
    .trim();
}

/** Sequences that carry a text of their own (titles, clipboard, links), those of cursor and colour, and single ones (ECMA-48). */
const SEQUENCES = new RegExp(
  [
    '(?:\\u001b[\\]PX^_]|[\\u0090\\u0098\\u009d-\\u009f])[^\\u0007\\u001b\\u009c\\n]*(?:\\u0007|\\u001b\\\\|\\u009c)',
    '(?:\\u001b\\[|\\u009b)[0-?]*[ -/]*[@-~]',
    '\\u001b[ -/]*[0-~]',
  ].join('|'),
  'g',
);
/** Any other control character but line end and tab, and what turns the direction of writing. */
const CONTROL = '[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]';
const CONTROLS = new RegExp(CONTROL, 'g');

/** The same for text of several lines, as logs: line ends and tabs stay. */
export function harmless(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(SEQUENCES, '').replace(CONTROLS, '');
}

/** Where things stand in the picture of a run, in pixels. */
import type { Lang } from '../../text/phrases.ts';
import { widthOf } from '../../text/width.ts';
import type { Band, Month } from './month.ts';

/** Width of a page of documents: text is shown in its own size. */
export const WIDTH = 1000;
export const CHART = { left: 200, right: 976 };
export const HEAD = 96;
export const FOOT = 50;
export const ROW = 9;
const BAND_PADDING = 7;
const BAND_SPACE = 4;
export const TEXT_LINE = 15;
/** Baseline of the first line of a band. */
export const FIRST_LINE = 18;
/** Columns of a line of a procedure's name, beside the chart. */
const NAME_COLUMNS = 24;

export interface Layout {
  readonly lang: Lang;
  readonly x: (at: number) => number;
  /** Middle of the row of each flow. */
  readonly rowY: ReadonlyMap<string, number>;
  readonly bands: readonly {
    readonly procedure: string;
    readonly nameLines: readonly string[];
    readonly from: number;
    readonly to: number;
  }[];
  /** End of the last band. */
  readonly bottom: number;
}

export function layoutOf(month: Month, lang: Lang): Layout {
  const total = Math.max(1, month.to - month.from);
  const rowY = new Map<string, number>();
  let y = HEAD;
  const bands = month.bands.map((band: Band) => {
    const from = y;
    const nameLines = inLines(band.names[lang], NAME_COLUMNS);
    band.rows.forEach(({ flow }, i) => {
      rowY.set(flow, from + BAND_PADDING + (i + 0.5) * ROW);
    });
    const to =
      from +
      Math.max(2 * BAND_PADDING + band.rows.length * ROW, FIRST_LINE + nameLines.length * TEXT_LINE + 8);
    y = to + BAND_SPACE;
    return { procedure: band.procedure, nameLines, from, to };
  });
  return {
    lang,
    x: (at) => CHART.left + ((at - month.from) / total) * (CHART.right - CHART.left),
    rowY,
    bands,
    bottom: y - BAND_SPACE,
  };
}

/** Broken between words; a word that is longer than a line stays whole. */
function inLines(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && widthOf(longer) <= columns) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

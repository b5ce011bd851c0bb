/** Tables of plain text that stay within the width of the terminal, whatever the language. */
import type { Printing } from '../session.ts';
import { padEnd, padStart, truncate, widthOf } from './width.ts';

export interface Column<Row> {
  readonly title: string;
  /** Text without colours and control characters. */
  readonly cell: (row: Row) => string;
  readonly align?: 'right';
  /** Colours the cell after it was cut and padded. */
  readonly paint?: (text: string, row: Row) => string;
  /** The first columns to be cut when the terminal is narrow; 0 = never. Default 1. */
  readonly gives?: 0 | 1 | 2;
}

const GAP = '  ';
const LEAST = 6;

/**
 * Lines of the table, the titles first, also when there are no rows. A column is as wide as its widest cell; when all together are wider than `columns`, the
 * widest of those that give way are cut, `gives: 2` before `gives: 1`, none below 6.
 */
export function table<Row>(
  rows: readonly Row[],
  shape: readonly Column<Row>[],
  { columns, paint }: Pick<Printing, 'columns' | 'paint'>,
): string[] {
  const cells = rows.map((row) => shape.map((column) => column.cell(row)));
  const widths = shape.map((column, i) =>
    Math.max(widthOf(column.title), ...cells.map((line) => widthOf(line[i]!))),
  );
  shrink(widths, shape, columns - GAP.length * (shape.length - 1));
  const line = (texts: readonly string[], row?: Row): string =>
    shape
      .map((column, i) => {
        const text = truncate(texts[i]!, widths[i]!);
        // Spaces at the end of a line would wrap in a terminal that is exactly as wide.
        const last = i === shape.length - 1 && column.align !== 'right';
        const padded = last
          ? text
          : column.align === 'right'
            ? padStart(text, widths[i]!)
            : padEnd(text, widths[i]!);
        return row !== undefined && column.paint !== undefined ? column.paint(padded, row) : padded;
      })
      .join(GAP);
  return [
    paint('bold', line(shape.map((entry) => entry.title))),
    ...rows.map((row, i) => line(cells[i]!, row)),
  ];
}

function shrink<Row>(widths: number[], shape: readonly Column<Row>[], room: number): void {
  let over = widths.reduce((sum, width) => sum + width, 0) - room;
  for (const level of [2, 1]) {
    while (over > 0) {
      let widest = -1;
      for (let i = 0; i < widths.length; i++)
        if (
          (shape[i]!.gives ?? 1) === level &&
          widths[i]! > LEAST &&
          (widest < 0 || widths[i]! > widths[widest]!)
        )
          widest = i;
      if (widest < 0) break;
      widths[widest] = widths[widest]! - 1;
      over -= 1;
    }
  }
}

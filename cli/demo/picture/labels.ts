/** Labels beside bars, so that none covers another one or leaves the chart. */
import { widthOf } from '../../text/width.ts';

/** A place beside what lies from one x to another, in pixels. */
export interface Place {
  /** `above`: only where there is as much room as the label is wide. */
  readonly side: 'right' | 'left' | 'above';
  readonly from: number;
  readonly to: number;
}

export interface Wanted {
  readonly text: string;
  readonly style: string;
  /** Middle of the row, in pixels. */
  readonly y: number;
  /** The best one first. */
  readonly places: readonly Place[];
}

export interface Label {
  readonly text: string;
  readonly style: string;
  /** Where the text begins (right), ends (left) or has its middle (above). */
  readonly x: number;
  /** Middle of the line of text. */
  readonly y: number;
  readonly side: Place['side'];
}

/** Pixels: a column of text at 12 px, the height of a line, the space between a bar and its label, and how far above it a label stands. */
const COLUMN = 6.7;
const LINE = 13;
const GAP = 6;
const RISE = 9;

/** In the order given, each at the first of its places that is free; one that finds none is left out. */
export function placed(wanted: readonly Wanted[], chart: { left: number; right: number }): Label[] {
  const labels: Label[] = [];
  const taken: { from: number; to: number; y: number }[] = [];
  for (const { text, style, y, places } of wanted) {
    const boxes = places.map((place) => boxOf(place, y, widthOf(text) * COLUMN));
    const free = boxes.find(
      (box) =>
        box.fits &&
        box.from >= chart.left &&
        box.to <= chart.right &&
        taken.every(
          (other) => Math.abs(other.y - box.y) >= LINE || other.to <= box.from || box.to <= other.from,
        ),
    );
    if (free === undefined) continue;
    taken.push(free);
    labels.push({ text, style, x: free.x, y: free.y, side: free.side });
  }
  return labels;
}

function boxOf({ side, from, to }: Place, y: number, wide: number) {
  if (side === 'right') return { side, x: to + GAP, from: to + GAP, to: to + GAP + wide, y, fits: true };
  if (side === 'left') return { side, x: from - GAP, from: from - GAP - wide, to: from - GAP, y, fits: true };
  const x = (from + to) / 2;
  return { side, x, from: x - wide / 2, to: x + wide / 2, y: y - RISE, fits: wide <= to - from };
}

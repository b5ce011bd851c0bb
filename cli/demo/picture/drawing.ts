/**
 * The picture of a run as SVG: a row for each flow, below its procedure, with the critical path as one line from the opening to the end. It
 * uses fonts of the reader's machine and follows the reader's choice of light or dark.
 */
import { duration } from '../../text/instant.ts';
import type { Lang } from '../../text/phrases.ts';
import { escaped } from '../../text/picture.ts';
import { stateWord } from '../../text/states.ts';
import { widthOf } from '../../text/width.ts';
import type { Label } from './labels.ts';
import { CHART, FIRST_LINE, FOOT, HEAD, type Layout, layoutOf, TEXT_LINE, WIDTH } from './layout.ts';
import type { Bar, Month } from './month.ts';
import { DIAMOND, labelsOf } from './names.ts';
import { pictureWords } from './words.ts';

/** Pixels: height of a bar in which a program runs, of one in which a person is waited for; the narrowest bar that can be seen. */
const THICK = 6;
const THIN = 2;
const NARROW = 2;
/** Pixels between lines of the time axis, at least. */
const TICK_SPACE = 90;
const MARGIN = 22;

/** Colours of light and dark pages of GitHub, where most readers see the picture. */
const STYLE = `
text { font: 12px -apple-system, "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", sans-serif; fill: #1f2328 }
.title { font-size: 18px; font-weight: 600 } .procedure { font-weight: 600 }
.quiet { fill: #59636e } .end { text-anchor: end } .middle { text-anchor: middle }
.label { paint-order: stroke; stroke: #f6f8fa; stroke-width: 3px; stroke-linejoin: round }
.paper { fill: #ffffff; stroke: #d1d9e0 } .band { fill: #f6f8fa } .grid { stroke: #d1d9e0; stroke-dasharray: 2 3 }
.bar { fill: #9aa7b4 } .wait { fill: #b3bdc7 } .on { fill: #0969da } .failed { fill: #d1242f } .replaced { opacity: .5 }
.path { fill: none; stroke: #0969da; stroke-width: 1.6; stroke-linejoin: round } .forced { fill: #bf8700 }
.label.failed { fill: #c11f2a } .label.forced { fill: #8a5d00 } .label.on { fill: #0550ae }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .quiet { fill: #9198a1 } .label { stroke: #151b23 }
.paper { fill: #0d1117; stroke: #3d444d } .band { fill: #151b23 } .grid { stroke: #3d444d }
.bar { fill: #6b7682 } .wait { fill: #56606b } .on { fill: #4493f8 } .failed { fill: #f85149 }
.path { stroke: #4493f8 } .forced { fill: #d29922 }
.label.failed { fill: #ff7b72 } .label.forced { fill: #e3b341 } .label.on { fill: #79c0ff }
}`;

export function monthPicture(month: Month, lang: Lang): string {
  const layout = layoutOf(month, lang);
  const height = layout.bottom + FOOT;
  const flows = month.bands.reduce((sum, band) => sum + band.rows.length, 0);
  const counts = Object.entries(month.counts)
    .filter(([, count]) => count > 0)
    .map(([state, count]) => `${count} ${stateWord(state, lang).replaceAll('_', '-')}`);
  const total = pictureWords(lang)('total', { flows, took: duration(month.to - month.from) });
  const note = [total, ...counts].join(' · ');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">
<title>${escaped(`${month.run}: ${note}`)}</title>
<style>${STYLE}
</style>
<rect class="paper" x=".5" y=".5" width="${WIDTH - 1}" height="${height - 1}" rx="8"/>
${[
  text(MARGIN, 34, month.run, 'title'),
  text(MARGIN, 56, note, 'quiet'),
  ...bandsOf(layout),
  ...axisOf(month, layout),
  `<path class="path" d="${pathLine(month, layout)}"/>`,
  ...barsOf(month, layout),
  ...labelsOf(month, layout).map(labelText),
  ...legendOf(height - 22, lang),
].join('\n')}
</svg>
`;
}

function bandsOf({ bands }: Layout): string[] {
  return bands.flatMap(({ procedure, nameLines, from, to }) => [
    `<rect class="band" x="12" y="${from}" width="${WIDTH - 24}" height="${to - from}" rx="4"/>`,
    text(MARGIN, from + FIRST_LINE, procedure, 'procedure'),
    ...nameLines.map((line, i) => text(MARGIN, from + FIRST_LINE + (i + 1) * TEXT_LINE, line, 'quiet')),
  ]);
}

/** Lines of the time axis at round durations after the opening. */
function axisOf({ from, to }: Month, { x, bottom }: Layout): string[] {
  const lines: string[] = [];
  const step = roundStep(((to - from) * TICK_SPACE) / (CHART.right - CHART.left));
  for (let after = 0; after <= to - from; after += step) {
    const at = x(from + after);
    lines.push(
      `<line class="grid" x1="${tenth(at)}" y1="${HEAD - 6}" x2="${tenth(at)}" y2="${bottom}"/>`,
      text(at, HEAD - 12, after === 0 ? '0' : roundDuration(after), 'quiet middle'),
    );
  }
  return lines;
}

/** Pieces of the path one after the other: along the row of a flow, then down or up to the row of the next one. */
function pathLine(month: Month, { x, rowY }: Layout): string {
  return month.path
    .filter(({ flow }) => rowY.has(flow))
    .map(({ flow, from, to }, i) => {
      const y = rowY.get(flow)!;
      return `${i === 0 ? 'M' : 'L'}${tenth(x(from))} ${y}L${tenth(x(to))} ${y}`;
    })
    .join('');
}

function barsOf(month: Month, { x, rowY }: Layout): string[] {
  const onPath = new Set(month.path.map(({ flow }) => flow));
  return month.bands.flatMap(({ rows }) =>
    rows.flatMap(({ flow, bars, forcedAt }) => {
      const y = rowY.get(flow)!;
      const drawn = bars.map((bar) => {
        const height = bar.kind === 'wait' ? THIN : THICK;
        const width = Math.max(NARROW, x(bar.to) - x(bar.from));
        return `<rect class="${styleOf(bar, onPath.has(flow))}" x="${tenth(x(bar.from))}" y="${y - height / 2}" width="${tenth(width)}" height="${height}" rx="1"/>`;
      });
      return forcedAt === null ? drawn : [...drawn, diamond(x(forcedAt), y)];
    }),
  );
}

function styleOf(bar: Bar, onPath: boolean): string {
  if (bar.kind === 'failed') return 'failed';
  const style = onPath ? 'on' : bar.kind === 'wait' ? 'wait' : 'bar';
  return bar.replaced ? `${style} replaced` : style;
}

const ANCHORS = { right: '', left: ' end', above: ' middle' } as const;
const labelText = ({ text: words, style, x, y, side }: Label): string =>
  text(x, y + 4, words, `label ${style}${ANCHORS[side]}`);

function legendOf(y: number, lang: Lang): string[] {
  const words = pictureWords(lang);
  const sample = (style: string, height: number) => (x: number) =>
    `<rect class="${style}" x="${tenth(x)}" y="${y - height / 2}" width="22" height="${height}" rx="1"/>`;
  const entries = [
    [sample('bar', THICK), words('running')],
    [sample('wait', THIN), words('waiting')],
    [sample('bar replaced', THICK), words('replaced')],
    [sample('failed', THICK), words('failed')],
    [(x: number) => diamond(x + 14, y), words('forced')],
    [sample('on', THICK), words('path')],
  ] as const;
  let x = MARGIN;
  return entries.flatMap(([sign, word]) => {
    const at = x;
    x += 30 + widthOf(word) * 6.6 + 26;
    return [sign(at), text(at + 29, y + 4, word, 'quiet')];
  });
}

/** Units of the time axis, the largest first: ms, sign, and how many of it may lie between two lines. */
const UNITS = [
  { ms: 86_400_000, sign: 'd', steps: [1, 2, 5, 10, 20] },
  { ms: 3_600_000, sign: 'h', steps: [1, 2, 4, 6, 12] },
  { ms: 60_000, sign: 'min', steps: [1, 2, 5, 10, 20, 30] },
  { ms: 1_000, sign: 's', steps: [1, 2, 5, 10, 20, 30] },
  { ms: 1, sign: 'ms', steps: [1, 2, 5, 10, 20, 50, 100, 200, 500] },
] as const;
const STEPS = UNITS.toReversed().flatMap(({ ms, steps }) => steps.map((step) => step * ms));

const roundStep = (atLeast: number): number => STEPS.find((step) => step >= atLeast) ?? atLeast;

/** In one unit: `20 s`, `6 h`. */
function roundDuration(after: number): string {
  const unit = UNITS.find(({ ms }) => after % ms === 0) ?? UNITS.at(-1)!;
  return `${Math.round(after / unit.ms)} ${unit.sign}`;
}

const diamond = (x: number, y: number): string =>
  `<path class="forced" d="M${tenth(x)} ${y - DIAMOND}l${DIAMOND} ${DIAMOND}l-${DIAMOND} ${DIAMOND}l-${DIAMOND} -${DIAMOND}z"/>`;
const text = (x: number, y: number, words: string, style: string): string =>
  `<text class="${style}" x="${tenth(x)}" y="${y}">${escaped(words)}</text>`;
const tenth = (value: number): string => String(Math.round(value * 10) / 10);

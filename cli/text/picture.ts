/** Critical path and lateness as SVG: a picture for a mail or a report, readable without Sluice. */
import type { CriticalPath, Lateness } from '../../contract/answers.ts';
import { duration, instant, signed } from './instant.ts';
import { kindText } from './kinds.ts';
import type { Lang } from './phrases.ts';

/** Pixels. */
const ROW = 22;
const NAMES = 330;
const CHART = 640;
const SUMS = 110;
const HEAD = 64;

/** What took time by itself, what was waited for, and what went wrong, as in the terminal. */
const COLOURS: Readonly<Record<string, string>> = {
  run: '#2e7d32',
  failed_attempt: '#c62828',
  retry_backoff: '#ef6c00',
  rework: '#ad1457',
  waiting_person: '#1565c0',
  manual_start: '#1565c0',
  waiting_time: '#00838f',
  held: '#6a1b9a',
  paused: '#6a1b9a',
  engine: '#9e9e9e',
};
const OTHER = '#f9a825';
const LATER = '#c62828';
const EARLIER = '#2e7d32';

interface Bar {
  readonly label: string;
  readonly sum: string;
  /** Share of the chart, 0 to 1. */
  readonly from: number;
  readonly to: number;
  readonly colour: string;
  /** Shown by the browser when the pointer rests on it. */
  readonly title: string;
}

/** A row a piece, its bar where it lies in time; the bars cover the chart from end to end. */
export function pathPicture(it: CriticalPath, lang: Lang): string {
  const end = it.endedAt ?? it.now;
  const share = (at: number): number => (it.total === 0 ? 0 : (at - it.openedAt) / it.total);
  const bars = it.pieces.map((piece): Bar => {
    const kind = kindText(piece.kind, lang);
    return {
      label: `${piece.flow} · ${kind}`,
      sum: duration(piece.ms),
      from: share(piece.from),
      to: share(piece.to),
      colour: COLOURS[piece.kind] ?? OTHER,
      title: `${piece.flow} (${piece.names[lang]}): ${kind}, ${instant(piece.from)} .. ${instant(piece.to)}${piece.by === null ? '' : `, ${piece.by}`}`,
    };
  });
  const titles = { en: 'critical path', zh: '关键路径' };
  const note = `${instant(it.openedAt)} .. ${instant(end)}, ${duration(it.total)}`;
  return drawing(`${it.run} · ${it.target} · ${titles[lang]}`, note, bars, null);
}

const REFERENCE_TIME: Readonly<Record<Lang, string>> = { en: 'reference time', zh: '参考时间' };

/** A row a part: later to the right of the middle line, earlier to the left. */
export function latenessPicture(it: Lateness, lang: Lang): string {
  const longest = Math.max(1, ...it.parts.map((part) => Math.abs(part.ms)));
  const bars = it.parts.map((part): Bar => {
    const size = Math.abs(part.ms) / longest / 2;
    const kind = kindText(part.kind, lang);
    const flow = part.flow ?? it.run;
    return {
      label: `${flow} · ${kind}`,
      sum: signed(part.ms),
      from: part.ms > 0 ? 0.5 : 0.5 - size,
      to: part.ms > 0 ? 0.5 + size : 0.5,
      colour: part.ms > 0 ? LATER : EARLIER,
      title: `${flow}${part.names === null ? '' : ` (${part.names[lang]})`}: ${kind}, ${duration(part.today)} / ${duration(part.reference)}`,
    };
  });
  return drawing(
    `${it.run} · ${it.target} · ${it.reference.run ?? REFERENCE_TIME[lang]}`,
    it.text[lang],
    bars,
    0.5,
  );
}

function drawing(title: string, note: string, bars: readonly Bar[], line: number | null): string {
  const width = NAMES + CHART + SUMS;
  const height = HEAD + bars.length * ROW + 12;
  const at = (share: number): string => (NAMES + share * CHART).toFixed(1);
  const rows = bars.map((bar, i) => {
    const y = HEAD + i * ROW;
    const wide = Math.max(1, (bar.to - bar.from) * CHART).toFixed(1);
    return [
      `<text x="${NAMES - 8}" y="${y + 15}" text-anchor="end">${escaped(cut(bar.label))}</text>`,
      `<rect x="${at(bar.from)}" y="${y + 4}" width="${wide}" height="${ROW - 8}" fill="${bar.colour}"><title>${escaped(bar.title)}</title></rect>`,
      `<text x="${NAMES + CHART + 8}" y="${y + 15}">${escaped(bar.sum)}</text>`,
    ].join('\n');
  });
  const middle =
    line === null
      ? ''
      : `<line x1="${at(line)}" y1="${HEAD - 4}" x2="${at(line)}" y2="${height - 8}" stroke="#616161"/>\n`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" role="img">
<title>${escaped(title)}</title>
<rect width="${width}" height="${height}" fill="#ffffff"/>
<text x="8" y="22" font-size="15" font-weight="bold">${escaped(title)}</text>
<text x="8" y="44" fill="#424242">${escaped(note)}</text>
${middle}${rows.join('\n')}
</svg>
`;
}

/** Maximum number of characters of a label: what fits beside the chart at a font size of 12 pixels. */
const LABEL_LIMIT = 46;
const cut = (label: string): string =>
  label.length > LABEL_LIMIT ? `…${label.slice(label.length - LABEL_LIMIT + 1)}` : label;

/** Names are anybody's text; control characters do not exist in XML. */
export const escaped = (text: string): string =>
  text
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are meant
    .replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '�')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');

/** A problem of a catalogue as one line, in the form that editors jump to: `file:line:column`. */
import type { z } from 'zod';
import type { Problem } from '../../contract/catalogue.ts';
import type { Paint } from './colour.ts';
import type { Lang } from './phrases.ts';
import { oneLine } from './width.ts';

export type CatalogueProblem = z.infer<typeof Problem>;

export function catalogueProblemLine(
  it: CatalogueProblem,
  shown: { readonly lang: Lang; readonly paint: Paint },
): string {
  const place = it.file === null ? '' : `${oneLine(it.file)}:${it.line ?? 1}:${it.column ?? 1}: `;
  const colour = it.severity === 'error' ? 'red' : 'yellow';
  return `${place}${shown.paint(colour, `${it.severity} ${it.code}`)}: ${oneLine(it.message[shown.lang])}`;
}

/** A progress bar of `width` columns, at least 10. */
import type { Paint } from './colour.ts';

export function progressBar(done: number, all: number, width: number, paint: Paint): string {
  const columns = Math.max(10, width);
  const filled = all === 0 ? 0 : Math.floor((done / all) * columns);
  return `${paint('green', '#'.repeat(filled))}${paint('dim', '-'.repeat(columns - filled))}`;
}

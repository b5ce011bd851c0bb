/** Work that a process repeats on the record, one pass at a time. */

/**
 * Starts the first pass after `firstMs` (default: now), and the next one `everyMs` after the end of each. The returned function stops it and
 * waits for the pass under way. `pass` handles its own failures.
 */
export function repeat(pass: () => Promise<void>, everyMs: number, firstMs = 0): () => Promise<void> {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let passing: Promise<void> = Promise.resolve();

  async function go(): Promise<void> {
    await pass();
    if (!stopped) begin(everyMs);
  }

  function begin(restMs: number): void {
    timer = setTimeout(() => {
      passing = go();
    }, restMs);
  }

  if (firstMs > 0) begin(firstMs);
  else passing = go();
  return async () => {
    stopped = true;
    clearTimeout(timer);
    await passing;
  };
}

/** Work that a worker repeats, one pass at a time. */

/**
 * Starts a pass now, and the next one `everyMs` after the end of each. The returned function stops it and waits for the pass under way.
 * `pass` handles its own failures.
 */
export function repeat(pass: () => Promise<void>, everyMs: number): () => Promise<void> {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let passing = go();

  async function go(): Promise<void> {
    await pass();
    if (stopped) return;
    timer = setTimeout(() => {
      passing = go();
    }, everyMs);
  }

  return async () => {
    stopped = true;
    clearTimeout(timer);
    await passing;
  };
}

/** Something that a worker does again and again, one pass at a time. */

/** Begins a pass now and the next one `everyMs` after the end of each, until the returned function is called, which waits for the pass under way. `pass` handles its own failures. */
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

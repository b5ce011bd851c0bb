/** The thread in which texts of programs are parsed: it gets a text and answers its facts (program-reader.ts). */
import { parentPort } from 'node:worker_threads';
import { loadModule } from 'libpg-query';
import { factsOf, ParserExhausted, type ProgramFacts } from './program-facts.ts';

/** `id` null: the thread is ready. `facts` null: the parser gave up; this thread's parser is then not used again. */
export interface ProgramAnswer {
  readonly id: number | null;
  readonly facts: ProgramFacts | null;
}

const port = parentPort!;
await loadModule();
port.on('message', ({ id, sql }: { id: number; sql: string }) => {
  port.postMessage({ id, facts: read(sql) } satisfies ProgramAnswer);
});
port.postMessage({ id: null, facts: null } satisfies ProgramAnswer);

function read(sql: string): ProgramFacts | null {
  try {
    return factsOf(sql);
  } catch (error) {
    // A RangeError is an overflow of the stack, in the parser or while its answer is read.
    if (error instanceof ParserExhausted || error instanceof RangeError) return null;
    throw error;
  }
}

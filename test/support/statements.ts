/** Counts what work asks of PostgreSQL: the cost of an answer without a clock. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Socket } from 'node:net';
import pg from 'pg';

export interface Asked {
  readonly statements: number;
  /** Bytes that came back, rows of COPY included. */
  readonly bytes: number;
}

/** Statements so far, and each connection that was used with the bytes that it had received before. */
interface Counts {
  statements: number;
  readonly before: Map<Socket, number>;
}

const counts = new AsyncLocalStorage<Counts>();
let counting = false;

/** Only statements of `work` itself count, not what the API does on its own account meanwhile. */
export async function countStatements<T>(work: () => Promise<T>): Promise<Asked & { readonly answer: T }> {
  if (!counting) countQueries();
  const asked: Counts = { statements: 0, before: new Map() };
  const answer = await counts.run(asked, work);
  const bytes = [...asked.before].reduce((sum, [{ bytesRead }, before]) => sum + bytesRead - before, 0);
  return { statements: asked.statements, bytes, answer };
}

/** Replaces `query` of every connection of this process by one that counts. */
function countQueries(): void {
  counting = true;
  const query = pg.Client.prototype.query as (...given: unknown[]) => unknown;
  pg.Client.prototype.query = function (this: { connection: { stream: Socket } }, ...given: unknown[]) {
    const asked = counts.getStore();
    if (asked !== undefined) {
      const { stream } = this.connection;
      asked.statements++;
      if (!asked.before.has(stream)) asked.before.set(stream, stream.bytesRead);
    }
    return query.apply(this, given);
  } as never;
}

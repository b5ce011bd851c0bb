/**
 * How much of the heap 13,000 flows of an estate take, bytes: `own` as objects of their own, `shared` as `flowReader` reads them. It measures
 * a heap in which nothing else happens, so it is a process: `node --expose-gc test/store/schema/heap-of-flows.ts` prints both as JSON.
 */
import { estate } from '../../../bench/estate/catalogue.ts';
import { checkCatalogue } from '../../../graph/catalogue/check.ts';
import type { Flow } from '../../../graph/model.ts';
import { flowReader } from '../../../store/schema/shared-parts.ts';

const used = (): number => {
  globalThis.gc!();
  return process.memoryUsage().heapUsed;
};

const rows = checkCatalogue(estate(13_000, 42, { noop: true }), 'apply').flows.map((flow) =>
  JSON.stringify(flow),
);

/** A function of its own, so that nothing but what was read is left when it returns. */
const readAll = (read: (json: string) => Flow): Flow[] => rows.map((json) => read(json));

function takes(reader: () => (json: string) => Flow): number {
  const before = used();
  const flows = readAll(reader());
  const after = used();
  if (flows.length !== rows.length) throw new Error('the flows are kept until they are measured');
  return after - before;
}

const own = takes(() => JSON.parse);
console.log(JSON.stringify({ own, shared: takes(flowReader) }));

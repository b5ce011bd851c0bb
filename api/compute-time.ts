/** How much of an answer's time was computing: the rest was reading the record and sending. */
import type { FastifyReply } from 'fastify';

/** Carries out `work`, on what was read before, and tells its time, ms, as the answer's `Server-Timing: compute;dur=`. */
export function computed<T>(reply: { header: FastifyReply['header'] }, work: () => T): T {
  const since = performance.now();
  const result = work();
  reply.header('server-timing', `compute;dur=${(performance.now() - since).toFixed(3)}`);
  return result;
}

/** How much of an answer's time was computing: the rest was reading the record and sending. */
import type { FastifyReply } from 'fastify';

/** Runs `work` and sends its time in ms as `Server-Timing: compute;dur=`. What it works on was read before. */
export function computed<T>(reply: { header: FastifyReply['header'] }, work: () => T): T {
  const since = performance.now();
  const result = work();
  reply.header('server-timing', `compute;dur=${(performance.now() - since).toFixed(3)}`);
  return result;
}

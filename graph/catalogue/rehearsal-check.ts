/** Checks what a catalogue says about rehearsals: a rehearsal must not write to a database that anything else uses. */
import type { Connection } from '../model.ts';
import type { Finding } from '../text/problems.ts';

/** Findings for twins that other connections or flows use. O(connections). */
export function twinProblems(connections: readonly Connection[]): Finding[] {
  const ids = new Set(connections.map(({ id }) => id));
  return connections.flatMap(({ id, rehearsal }, i): Finding[] =>
    rehearsal === undefined || !ids.has(rehearsal)
      ? []
      : [
          {
            code: 'bad_combination',
            severity: 'error',
            message: {
              en: `the rehearsal twin of ${id} is the connection ${rehearsal} itself: a rehearsal would write where production does`,
              zh: `${id} 的演练连接就是连接 ${rehearsal} 本身：演练会写入生产库`,
            },
            path: ['connections', i, 'rehearsal'],
            id,
            at: 'value',
          },
        ],
  );
}

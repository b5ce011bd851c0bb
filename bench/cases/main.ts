/**
 * `npm run cases`: small inputs that once went wrong in silence, each tried on a running installation. One line a case on stdout; exit 0 only
 * if all are right. Arguments: ids of the cases to try; none = all.
 */
import { watchSignals } from '../../embedded/shutdown.ts';
import type { Case } from './case.ts';
import { startInstallation } from './installation.ts';
import { processCases } from './processes.ts';
import { roomCases } from './room.ts';
import { textCases } from './text.ts';
import { timeCases } from './time.ts';
import { workCases } from './work.ts';

/** Cases tried at once: each waits most of its time for the installation. */
const TOGETHER = 4;

const say = (text: string): void => void process.stderr.write(`cases: ${text}\n`);
const shutdown = watchSignals(say);

const all: readonly Case[] = [...workCases, ...textCases, ...timeCases, ...processCases, ...roomCases].sort(
  (a, b) => (a.id < b.id ? -1 : 1),
);
const wanted = process.argv.slice(2);
const unknown = wanted.filter((id) => !all.some((one) => one.id === id));
if (unknown.length > 0) {
  say(`there is no case ${unknown.join(', ')}; there are ${all.map((one) => one.id).join(', ')}`);
  process.exit(2);
}
const chosen = wanted.length === 0 ? all : all.filter((one) => wanted.includes(one.id));

let wrong = 0;
try {
  say('starting an installation');
  const installation = await startInstallation(shutdown);
  const queue = [...chosen];
  const work = async (): Promise<void> => {
    for (let one = queue.shift(); one !== undefined && !shutdown.signal.aborted; one = queue.shift()) {
      const seen = await installation
        .toolsFor(one.id)
        .then(one.check)
        .then(
          () => null,
          (error: unknown) => (error instanceof Error ? error.message : String(error)),
        );
      if (seen === null) process.stdout.write(`${one.id.padEnd(4)}right  ${one.right}\n`);
      else {
        wrong += 1;
        process.stdout.write(`${one.id.padEnd(4)}WRONG  ${one.right}\n           seen: ${seen}\n`);
      }
    }
  };
  await Promise.all(Array.from({ length: TOGETHER }, work));
  process.stdout.write(`${chosen.length - wrong} of ${chosen.length} right\n`);
} finally {
  await shutdown.run();
}
process.exit(wrong === 0 ? 0 : 1);

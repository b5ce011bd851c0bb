/** Looks for corrections that somebody has reported by a row on a platform, passes them to the API, and writes its answers there. */
import type { EventLogger } from '../../logging.ts';
import type { CorrectionRows } from '../../platforms/sql/correction-rows.ts';
import { pause } from '../api-client.ts';
import type { Session } from '../session.ts';

/** Pause between two looks, ms: a correction waits minutes for others, so ten seconds more are not felt. */
const LOOK_MS = 10_000;

/** Looks until the session is closed. An older API refuses the call: the rows stay, and a newer one gets them. */
export async function lookForCorrections(
  session: Session,
  rows: CorrectionRows | undefined,
  logger: EventLogger,
  everyMs = LOOK_MS,
): Promise<void> {
  if (rows === undefined) return;
  while (!session.signal.aborted) {
    try {
      const found = await rows.look();
      if (found.length > 0) {
        const { answers } = await session.calls.corrections(found, { signal: session.signal });
        await rows.answer(answers);
      }
    } catch (error) {
      if (!session.signal.aborted)
        logger.warn(
          { err: error },
          'corrections of a platform could not be reported; the next look tries again',
        );
    }
    await pause(everyMs, session.signal).catch(() => {});
  }
}

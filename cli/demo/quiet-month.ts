/** The first month of the demo: nothing goes wrong. Later months are compared with it. */

import { duration } from '../text/instant.ts';
import { confirmTurns, triggerWhenReady } from './people.ts';
import { findMonth, openMonth, type Stage } from './stage.ts';

/** Opens the month and sees it through to its end; answers the run's id and whether it was finished before. */
export async function quietMonth(stage: Stage, period: string): Promise<{ run: string; before: boolean }> {
  const found = await findMonth(stage, period);
  if (found !== null && found.finishedAt !== null) {
    stage.narrator.narrate('finished_before', { run: found.id });
    return { run: found.id, before: true };
  }
  const view = await openMonth(stage, period, found);
  try {
    const people = confirmTurns(stage, view, []);
    await Promise.all([
      triggerWhenReady(stage, view, 'P02.S4.DimAccItemCode', 'P02.S3.CheckRptVr011'),
      triggerWhenReady(stage, view, 'P03.S2.UpdateMainPlan', 'P03.S1.CustomerNotice'),
      triggerWhenReady(stage, view, 'P03.S3.CompletionFlag', 'P03.S2.UpdateMainPlan'),
      triggerWhenReady(stage, view, 'P06.S4.ForcePassMppTasks', 'P06.S3.DistributionComplete.import'),
    ]);
    const took = await view.until('the end of the run', ({ run }) =>
      run.finishedAt === null ? null : run.finishedAt - run.openedAt,
    );
    await people.stop();
    stage.narrator.narrate('finished', { run: view.run, took: duration(took) });
    return { run: view.run, before: false };
  } finally {
    await view.close();
  }
}

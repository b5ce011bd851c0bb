/** The people of the month start: each confirms when the turn comes, and starts by hand what starts no other way. */
import type { Flow } from '../../contract/flows.ts';
import { ApiProblem } from '../client.ts';
import { isDone, type RunView } from './run-view.ts';
import { requestVerb, type Stage } from './stage.ts';

export interface People {
  /** Confirms a flow that was left out; from now on it is no longer. Marked before it is sent: a sight from before that must not confirm it twice. */
  confirm(flow: Flow, evidence: string): Promise<void>;
  /** Fulfilled when nothing is under way any more; throws what a person could not do. */
  stop(): Promise<void>;
}

/** Confirms every gate and person's check when its turn comes, once a generation, save those left out. */
export function confirmTurns(stage: Stage, view: RunView, leftOut: readonly string[]): People {
  const without = new Set(leftOut);
  const asked = new Set<string>();
  let failure: unknown = null;
  let busy = Promise.resolve();
  const off = view.on(({ flows }) => {
    const turns = flows.filter(
      (flow) =>
        flow.state === 'waiting_person' &&
        !flow.flags.includes('confirmed') &&
        !without.has(flow.id) &&
        !asked.has(`${flow.id} ${flow.generation}`),
    );
    if (turns.length === 0) return;
    for (const flow of turns) asked.add(`${flow.id} ${flow.generation}`);
    const ids = turns.map((flow) => flow.id);
    busy = busy.then(async () => {
      try {
        await requestVerb(stage.demo, view, 'confirm', {
          flows: ids,
          evidence: 'demo: seen and found in order',
          partial: true,
        });
        stage.narrator.narrate('confirmed', { n: ids.length, flows: shortList(ids) });
      } catch (error) {
        // Somebody else (a second start, an operator) was quicker: that is as good.
        if (!(error instanceof ApiProblem) || error.code !== 'already_confirmed') failure ??= error;
      }
    });
  });
  return {
    async confirm(flow, evidence) {
      asked.add(`${flow.id} ${flow.generation}`);
      without.delete(flow.id);
      await requestVerb(stage.demo, view, 'confirm', { flows: [flow.id], evidence });
    },
    async stop() {
      off();
      await busy;
      if (failure !== null) throw failure;
    },
  };
}

/** Triggers a flow once everything above it is done; nothing to do when it was triggered before. */
export async function triggerWhenReady(
  stage: Stage,
  view: RunView,
  flow: string,
  after: string,
): Promise<void> {
  await view.until(`the end of ${after}`, ({ flows }) =>
    flows.some((flow) => flow.id === after && isDone(flow)),
  );
  if (view.flow(flow)?.state !== 'not_triggered') return;
  await requestVerb(stage.demo, view, 'trigger', { flows: [flow] });
  stage.narrator.narrate('triggered', { flow });
}

/** `A, B and 11 more` for narrow lines. */
export const shortList = (ids: readonly string[]): string =>
  ids.length <= 3 ? ids.join(', ') : `${ids.slice(0, 2).join(', ')} + ${ids.length - 2}`;

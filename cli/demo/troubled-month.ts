/**
 * The second month of the demo: a region is early and one late, a program fails, a dimension is late, a table comes another way. Every act
 * looks first whether it was done before, so that a demo that was broken off goes on where the run stands.
 */
import type { WhyFlow } from '../../contract/answers.ts';
import type { AttemptPage, Flow } from '../../contract/flows.ts';
import type { Plan } from '../../contract/rerun-plans.ts';
import { ApiProblem, type Client, part } from '../client.ts';
import { whyLines } from '../commands/why.ts';
import { ofRun } from '../session.ts';
import { duration } from '../text/instant.ts';
import { planLines } from '../text/rerun-plan.ts';
import { oneLine } from '../text/width.ts';
import { compactMonth } from './months.ts';
import { confirmTurns, type People, shortList, triggerWhenReady } from './people.ts';
import { isDone, isWaiting, type RunView } from './run-view.ts';
import { findMonth, flowIn, openMonth, requestVerb, type Stage } from './stage.ts';

type Attempts = (typeof AttemptPage)['_output'];

/** Answers that the record does not keep. */
export interface Seen {
  /** Final causes of the last flow of P04 while its chain was broken. */
  why: WhyFlow | null;
  /** The same for the verification of the base stations, before the late region confirmed. */
  whyLate: WhyFlow | null;
  /** The flow whose source was taken away. */
  withheld: string | null;
}

const DIMENSION = 'P02.S4.DimAccItemCode';
const MPP_TASK = 'P06.S4.ForcePassMppTasks';
const DISTRIBUTED = 'P06.S3.DistributionComplete.import';
const LAST_OF_P04 = 'P04.S7.AllSucceeded';

export async function troubledMonth(
  stage: Stage,
  period: string,
  previous: string,
): Promise<{ run: string; before: boolean; seen: Seen }> {
  const month = compactMonth(period);
  const seen: Seen = { why: null, whyLate: null, withheld: null };
  const found = await findMonth(stage, period);
  if (found !== null && found.finishedAt !== null) {
    stage.narrator.narrate('finished_before', { run: found.id });
    return { run: found.id, before: true, seen };
  }
  // Before the run is opened: afterwards the program could be quicker.
  const withheld = await stage.sample('withhold', month);
  seen.withheld = withheld.flow ?? null;
  const view = await openMonth(stage, period, found);
  try {
    const first = await view.until('a first look', (sight) => sight);
    if (withheld.rows > 0)
      stage.narrator.narrate('withheld', { rows: withheld.rows, flow: seen.withheld ?? '' });

    const regions = first.flows.filter((flow) => flow.kind === 'gate' && flow.procedure === 'P01');
    const earlyRegion = regions[0]!;
    const lateRegion = regions.at(-1)!;
    const ahead = earlyRegion.state === 'waiting_upstream' && !earlyRegion.flags.includes('confirmed');
    const people = confirmTurns(stage, view, ahead ? [earlyRegion.id, lateRegion.id] : [lateRegion.id]);
    if (ahead) await early(stage, people, earlyRegion);
    await refusedPasses(stage, view);
    await Promise.all([
      brokenChain({ stage, view, lateRegion, people, seen }, month),
      lateDimension(stage, view, month, compactMonth(previous)),
      tableByDistribution(stage, view),
      triggerWhenReady(stage, view, 'P03.S2.UpdateMainPlan', 'P03.S1.CustomerNotice'),
      triggerWhenReady(stage, view, 'P03.S3.CompletionFlag', 'P03.S2.UpdateMainPlan'),
    ]);
    const took = await view.until('the end of the run', ({ run }) =>
      run.finishedAt === null ? null : run.finishedAt - run.openedAt,
    );
    await people.stop();
    stage.narrator.narrate('finished', { run: view.run, took: duration(took) });
    return { run: view.run, before: false, seen };
  } finally {
    await view.close();
  }
}

/** A region confirms before it was called: it counts when its turn comes. */
async function early(stage: Stage, people: People, region: Flow): Promise<void> {
  await people.confirm(region, 'demo: maintained ahead of time');
  stage.narrator.narrate('early', { flow: region.id });
}

/** What the acts with the late region need. */
interface Act {
  readonly stage: Stage;
  readonly view: RunView;
  readonly lateRegion: Flow;
  readonly people: People;
  readonly seen: Seen;
}

/** The month chain breaks at one program; the cause is asked for, the data mended, everything downstream redone. */
async function brokenChain({ stage, view, lateRegion, people, seen }: Act, month: string): Promise<void> {
  const { demo, narrator } = stage;
  const id = seen.withheld!;
  // Until its siblings have ended, too: then the failure is the only cause.
  const failed = await view.until(`the failure of ${id}`, ({ flows }) => {
    const flow = flowIn(flows, id);
    const siblings = flows.filter(
      (other) => other.procedure === flow.procedure && other.step === flow.step && other.id !== id,
    );
    if (flow.generation > 1 || isDone(flow)) return flow;
    return flow.state === 'failed' && siblings.every(isDone) && flow;
  });
  if (failed.state === 'failed') {
    const { items } = await demo.get<Attempts>(ofRun(view.run, `/flows/${part(id)}/attempts`));
    narrator.narrate('failed', { flow: id, message: oneLine(items.at(-1)?.message ?? '') });
    narrator.narrate('why', { flow: LAST_OF_P04 });
    seen.why = await why(demo, view, LAST_OF_P04);
    narrator.lines(whyLines(seen.why, narrator));
  }
  await confirmLate({ stage, view, lateRegion, people, seen });
  const { rows } = await stage.sample('supply', month);
  if (rows > 0) narrator.narrate('supplied', { rows });
  if (failed.state !== 'failed') return;
  const plan = await demo.post<Plan>(ofRun(view.run, '/rerun-plans'), { flows: [id], scope: 'downstream' });
  narrator.narrate('planned', { flow: id });
  narrator.lines(planLines(plan, narrator));
  await demo.operate(
    ofRun(view.run, `/rerun-plans/${part(plan.id)}/apply`),
    { reason: 'demo: the source rows have come' },
    { key: `rerun-plan:${plan.id}` },
  );
  narrator.narrate('applied');
}

/** One region has kept all of P01 waiting; what it holds up is asked for before it confirms. */
async function confirmLate({ stage, view, lateRegion: region, people, seen }: Act): Promise<void> {
  const waiting = await view.until(`the turn of ${region.id}`, ({ flows }) => {
    const flow = flowIn(flows, region.id);
    const others = flows.filter(
      (flow) => flow.kind === 'gate' && flow.procedure === region.procedure && flow.id !== region.id,
    );
    return (isDone(flow) || (flow.state === 'waiting_person' && others.every(isDone))) && flow;
  });
  if (isDone(waiting)) return;
  seen.whyLate = await why(stage.demo, view, 'P01.S4.VerifyStations');
  await people.confirm(region, 'demo: maintained at last');
  stage.narrator.narrate('late', { flow: region.id });
}

/**
 * The account items are late: two programs below begin with last month's, set free by start-now. When the dimension is triggered, they
 * run again with it.
 */
async function lateDimension(stage: Stage, view: RunView, month: string, previous: string): Promise<void> {
  const { narrator, demo } = stage;
  const below = await view.until('the dimension', ({ flows }) =>
    flows.filter((flow) => flow.procedure === 'P02' && flow.kind === 'job' && flow.step === 5).slice(0, 2),
  );
  const ids = below.map((flow) => flow.id);
  if (view.flow(DIMENSION)?.state === 'not_triggered') {
    const fresh = below
      .filter((flow) => isWaiting(flow) && !flow.flags.includes('started_now'))
      .map((flow) => flow.id);
    if (fresh.length > 0) {
      const { rows } = await stage.sample('carry-over', previous, month);
      if (rows > 0) narrator.narrate('carried_over', { rows });
      await requestVerb(demo, view, 'start-now', {
        flows: fresh,
        reason: "demo: begin with last month's account items",
      });
      narrator.narrate('started_now', { upstream: DIMENSION, flows: fresh.join(', ') });
    }
    await view.until(`the ends of ${ids.join(' and ')}`, ({ flows }) =>
      ids.every((id) => isDone(flowIn(flows, id))),
    );
    await triggerWhenReady(stage, view, DIMENSION, 'P02.S3.CheckRptVr011');
    await view.until('their second generation', ({ flows }) =>
      ids.every((id) => flowIn(flows, id).generation > 1),
    );
    narrator.narrate('downstream_again', { flow: DIMENSION, flows: shortList(ids) });
  }
}

const pass = {
  flows: [MPP_TASK],
  reason: 'demo: its table is distributed',
  evidence: 'demo: control row with deal_stat 99',
};

/** Before the table has come, and by somebody who may only look: neither goes through. */
async function refusedPasses(stage: Stage, view: RunView): Promise<void> {
  const [task, table] = [view.flow(MPP_TASK), view.flow(DISTRIBUTED)];
  if (task === undefined || table === undefined || isDone(task) || isDone(table)) return;
  for (const actor of ['demo', 'viewer'] as const) {
    try {
      await requestVerb(stage[actor], view, 'force-pass', pass);
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.problem.status >= 500) throw error;
      const { status, code } = error.problem;
      stage.narrator.narrate('refused', { flow: MPP_TASK, actor, status, code });
    }
  }
}

/** The table came by distribution, so the task that would build it is passed by hand. */
async function tableByDistribution(stage: Stage, view: RunView): Promise<void> {
  await view.until(`the end of ${DISTRIBUTED}`, ({ flows }) => isDone(flowIn(flows, DISTRIBUTED)));
  if (isDone(view.flow(MPP_TASK)!)) return;
  try {
    await requestVerb(stage.demo, view, 'force-pass', pass);
  } catch (error) {
    // A start that was killed had asked for it, and it was applied since we looked: that is as good.
    if (!(error instanceof ApiProblem) || error.code !== 'wrong_state') throw error;
    await view.until(
      `the pass of ${MPP_TASK}`,
      ({ flows }) => flowIn(flows, MPP_TASK).state === 'force_passed',
    );
  }
  stage.narrator.narrate('force_passed', { flow: MPP_TASK });
}

const why = (client: Client, view: RunView, flow: string): Promise<WhyFlow> =>
  client.get(ofRun(view.run, `/flows/${part(flow)}/why`));

/**
 * The coordinator of one run (protocol A2): reads the log by its cursor (protocol A3, A6), decides (protocol A4), has the exchange write
 * (protocol A5) and applies what was written. It ends by continuing as new (protocol A7) or by parking (protocol A8), and freezes its run
 * (protocol A9).
 * The state lives here between exchanges; the truth is the record, from which `loadRun` rebuilds it.
 */
import {
  CancellationScope,
  condition,
  continueAsNew,
  defineSignal,
  proxySinks,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { ExchangeRequest, ExchangeResult } from '../activities/exchange.ts';
import { type Graph, inflate } from '../graph/compiled/compact.ts';
import { decide } from '../graph/decide.ts';
import { apply } from '../graph/run/apply.ts';
import { nextDue } from '../graph/run/due.ts';
import { restoreState } from '../graph/run/restore.ts';
import type { RunState } from '../graph/run/state.ts';
import * as activities from './activity-proxies.ts';
import { BUILD, type CoordinatorSinks, RELOAD_SIGNAL, type RunInput, WAKE_SIGNAL } from './messages.ts';
import { BUSY_MS, Pace } from './pace.ts';

/**
 * Time after which a workflow task ends, ms by the record's clock. A busy run would go from exchange to exchange inside one task until the server
 * gives the task up (messages.ts, TASK_TIMEOUT), and then do all of it again. The last exchange of a task asks for a wake signal, which begins the
 * next task: a timer of 1 ms was up to 1 s late (measured).
 */
const TASK_MS = 1_000;
/**
 * Time before a due moment from which on the coordinator waits for it inside the task, ms: a shorter timer of the server comes up to 1 s late
 * (measured). A longer timer ends this time before the moment.
 */
const NEAR_MS = 1_000;
/** Longest wait for that wake signal, ms: it may be lost. */
const NEXT_TASK_MS = 1_000;

const { coordinator } = proxySinks<CoordinatorSinks>();

export async function run(input: RunInput): Promise<void> {
  if (input.build !== BUILD) return handOver(input);
  let woken = true;
  let reload = false;
  setHandler(defineSignal(WAKE_SIGNAL), () => {
    woken = true;
  });
  setHandler(defineSignal(RELOAD_SIGNAL), () => {
    reload = true;
  });

  // In a scope that can be cancelled the SDK keeps the arguments of every call until the execution ends: 5 MB for a run of 10,000 flows.
  const uncancelled = new CancellationScope({ cancellable: false });
  const exchange = (request: ExchangeRequest): Promise<ExchangeResult> =>
    uncancelled.run(() => activities.exchange(request));
  const exchangeOnArrival = (
    request: ExchangeRequest,
    { waitMs, gatherMs, due }: Waiting,
  ): Promise<ExchangeResult | null> =>
    uncancelled.run(() => activities.exchangeOnArrival(request, waitMs, gatherMs, due));

  const { graph, state } = await load(input.run);
  if (state.exchange < input.seen) await freeze(input, state.exchange);

  let groups = decide(graph, state, [], state.now);
  const pace = new Pace();
  let waiting: Waiting | null = null;
  let taskSince = 0;
  let made = 0;
  for (;;) {
    woken = false;
    made++;
    const last = taskSince !== 0 && state.now - taskSince >= TASK_MS;
    const request = { run: input.run, n: state.exchange + 1, groups, graph: graph.version, wake: last };
    const answer: ExchangeResult | null =
      waiting === null ? await exchange(request) : await exchangeOnArrival(request, waiting);
    waiting = null;
    if (answer !== null) {
      if ('refused' in answer) {
        if (answer.refused === 'ahead') await freeze(input, state.exchange);
        // The record is far ahead of this execution, or the run has adopted another version: begin again from the record.
        return next(input, 0);
      }
      apply(graph, state, groups, answer);
      groups = decide(graph, state, answer.entries, state.now);
      pace.read(answer.entries.length, state.now);
      if (groups.length > 0 || answer.more) {
        if (taskSince === 0) taskSince = state.now;
        if (!last) continue;
        taskSince = 0;
        if (shouldContinue(input, made)) return leave();
        made = 0;
        await condition(() => woken, NEXT_TASK_MS);
        continue;
      }
    }
    // From here on nothing is decided that is not written, and nothing is unread.
    if (reload || shouldContinue(input, made)) return leave();
    const due: number = state.finished || state.closed ? 0 : nextDue(graph, state);
    // After a wait inside the task in which nothing came, or for which there was no room (`answer` is null), it waits outside.
    const mayWait: boolean = answer !== null && !last && !state.finished && !state.closed;
    waiting = mayWait ? waitingInTask(due - state.now, due, pace.gatherMs(state.now)) : null;
    if (waiting !== null) {
      if (taskSince === 0) taskSince = state.now;
      continue;
    }
    taskSince = made = 0;
    if (!(await waitForWork(due, state, input))) return;
  }

  /**
   * Ends this execution between two exchanges and continues as new (protocol A7); what was decided and not written is decided again. A last exchange
   * says in the record that it is leaving, so that no deliverer sends a signal now. Signals that are on their way are waited for.
   */
  async function leave(): Promise<never> {
    woken = false;
    const answer = await exchange({
      run: input.run,
      n: state.exchange + 1,
      groups: [],
      graph: graph.version,
      leaving: true,
      wake: true,
    });
    if ('refused' in answer) {
      if (answer.refused === 'ahead') await freeze(input, state.exchange);
      return next(input, 0);
    }
    // When the signal that was asked for has come, those that were on their way have come before it.
    await condition(() => woken, NEXT_TASK_MS);
    return next(input, answer.n);
  }

  /** Waits for a wake signal or until the nearest due moment is near; false when the run was parked for its keep time (protocol A8). */
  async function waitForWork(due: number, state: RunState, input: RunInput): Promise<boolean> {
    const work = (): boolean => woken || reload;
    if (state.finished || state.closed) return condition(work, input.keepMs);
    const left = due - state.now;
    if (due === 0) await condition(work);
    else await condition(work, Math.max(1, left > NEAR_MS ? left - NEAR_MS : left));
    return true;
  }

  /** The workflow knows more than the record: a restored database. Nothing moves until a person decides (protocol A9). */
  async function freeze(input: RunInput, exchangeOfRecord: number): Promise<never> {
    await activities.freezeRun(input.run, exchangeOfRecord);
    await condition(() => reload);
    return next(input, 0);
  }
}

/** A wait inside the task: for log rows, and for the instant `due` of the record's clock (0 = none). */
interface Waiting {
  readonly waitMs: number;
  readonly gatherMs: number;
  readonly due: number;
}

/** How to wait inside the task; null: it waits outside. `left`: ms until `due`. `gatherMs`: null unless the coordinator is busy (pace.ts). */
function waitingInTask(left: number, due: number, gatherMs: number | null): Waiting | null {
  if (due !== 0 && left <= NEAR_MS) return { waitMs: left, gatherMs: gatherMs ?? 0, due };
  return gatherMs === null ? null : { waitMs: BUSY_MS, gatherMs, due: 0 };
}

/** It is a function of its own, because in `run` the loaded rows would stay in memory for the weeks that follow. */
async function load(run: string): Promise<{ graph: Graph; state: RunState }> {
  const { compact, stored } = await activities.loadRun(run);
  const graph = inflate(compact);
  return { graph, state: restoreState(graph, stored) };
}

/**
 * The execution was begun by another build. Changed rules would replay its history to another state than the record's without anybody
 * noticing, so nothing of it is replayed (protocol A7, decision 0009). When it has no history yet, it continues as new with this build at once.
 * Otherwise the worker is asked to begin an execution from the record, and the task fails, so that nothing moves until then.
 */
function handOver(input: RunInput): Promise<never> {
  if (!workflowInfo().unsafe.isReplaying) return next(input, input.seen);
  coordinator.otherBuild(input);
  throw new Error(`the history of ${input.run} was made by build ${input.build}, this is ${BUILD}`);
}

function next(input: RunInput, seen: number): Promise<never> {
  return continueAsNew<typeof run>({ ...input, seen, build: BUILD });
}

/**
 * Whether to continue as new: after `continueAfterEvents` events where that is set, else when Temporal suggests it. `made`: exchanges of the present
 * task; the history counts them only when the task ends.
 */
function shouldContinue({ continueAfterEvents }: RunInput, made: number): boolean {
  const info = workflowInfo();
  return continueAfterEvents > 0
    ? info.historyLength + made >= continueAfterEvents
    : info.continueAsNewSuggested;
}

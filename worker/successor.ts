/**
 * Replaces the execution of a coordinator by a new one that starts from the record, when this worker's bundle cannot replay the old history,
 * or not in time (protocol A7, A9; decisions 0009, 0011). Nothing is lost: the record is the truth, and exchange numbers go on.
 */
import type { Client } from '@temporalio/client';
import type { InjectedSinks } from '@temporalio/worker';
import type { Logger } from 'pino';
import { type CoordinatorSinks, type RunInput, runWorkflowId } from '../workflows/messages.ts';
import { signalCoordinator } from './signal-coordinator.ts';

export interface SuccessorDeps {
  readonly client: Client;
  readonly taskQueue: string;
  /** Build of the bundle that this worker executes. */
  readonly build: string;
  readonly logger: Logger;
}

/** Events read in one page. An exchange makes four events, and its answer may have 100 kB. */
const PAGE = 20;
/** `WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR`. */
const NON_DETERMINISTIC = 24;
/**
 * A longer history, in events, is not replayed. A replay takes 6 ms of processor time for each exchange (measured: 6.2 s for 4,900 events
 * with 858 exchanges), and one that takes longer than a workflow task may is repeated for ever.
 */
const LONG_HISTORY = 200;

export class Successor {
  readonly #deps: SuccessorDeps;
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(deps: SuccessorDeps) {
    this.#deps = deps;
  }

  /** What coordinators of this worker call. One of another build calls `otherBuild` and fails its task; here its replacement is begun. */
  get sinks(): InjectedSinks<CoordinatorSinks> {
    return {
      coordinator: {
        otherBuild: {
          fn: ({ runId: executionId }, input) =>
            this.#begin(executionId, input, 'its history was made by another build'),
          callDuringReplay: true,
        },
      },
    };
  }

  /**
   * Examines a run that was woken and has not read its log for a while. A new execution replaces the present one in two cases: its history is
   * too long to be replayed in time, as a worker would have to after the death of another; or its newest workflow task failed, because the
   * history does not fit the code. Any other execution is left alone, also one that has begun and made no exchange yet.
   */
  async look(input: RunInput): Promise<void> {
    const { client, taskQueue } = this.#deps;
    const workflowId = runWorkflowId(taskQueue, input.run);
    const {
      runId: executionId,
      status,
      historyLength,
    } = await client.workflow.getHandle(workflowId).describe();
    if (status.name !== 'RUNNING') return;
    if (historyLength > LONG_HISTORY)
      return this.#begin(executionId, input, 'its history is too long to be replayed in time');
    for await (const event of this.#backwards(workflowId, executionId)) {
      if (event.workflowTaskCompletedEventAttributes != null) return;
      if (event.workflowTaskFailedEventAttributes?.cause === NON_DETERMINISTIC)
        return this.#begin(executionId, input, 'its history does not fit the code');
    }
  }

  /** Resolves when no replacement is under way any more. */
  async stop(): Promise<void> {
    await Promise.all(this.#underWay.values());
  }

  /** At most one replacement of an execution is under way. One that fails is tried again when the next workflow task fails. */
  #begin(executionId: string, input: RunInput, why: string): void {
    if (this.#underWay.has(executionId)) return;
    const { logger } = this.#deps;
    const beginning = this.#replace(executionId, input)
      .then((seen) => {
        if (seen !== null)
          logger.info({ run: input.run, seen, why }, 'the coordinator was restarted from the record');
      })
      .catch((error) =>
        logger.warn({ run: input.run, error }, 'could not restart the coordinator; trying again later'),
      )
      .finally(() => this.#underWay.delete(executionId));
    this.#underWay.set(executionId, beginning);
  }

  /** Answers the number of the last exchange that the old execution has seen; null: another execution has replaced it already. */
  async #replace(executionId: string, input: RunInput): Promise<number | null> {
    const { client, taskQueue, build } = this.#deps;
    const workflowId = runWorkflowId(taskQueue, input.run);
    const now = await client.workflow.getHandle(workflowId).describe();
    if (now.runId !== executionId || now.status.name !== 'RUNNING') return null;
    const seen = Math.max(input.seen, await this.#lastExchange(workflowId, executionId));
    // One call ends the old one and starts the new one: a deliverer that comes between would not know `seen`.
    await signalCoordinator(client, taskQueue, { ...input, seen, build }, { restart: true });
    return seen;
  }

  /**
   * Number of the last exchange in a history; 0 = none. With it a workflow that is ahead of the record freezes in its next execution, too
   * (protocol A9).
   */
  async #lastExchange(workflowId: string, executionId: string): Promise<number> {
    for await (const event of this.#backwards(workflowId, executionId)) {
      const payload = event.markerRecordedEventAttributes?.details?.result?.payloads?.[0]?.data;
      if (payload == null) continue;
      const answer: unknown = JSON.parse(Buffer.from(payload).toString());
      // Among the local activities only a written exchange answers with a field `n`.
      if (typeof answer === 'object' && answer !== null && 'n' in answer) return Number(answer.n);
    }
    return 0;
  }

  /** The events of an execution, the newest first. */
  async *#backwards(workflowId: string, executionId: string) {
    const { client } = this.#deps;
    let nextPageToken: Uint8Array | null | undefined;
    do {
      const page = await client.workflowService.getWorkflowExecutionHistoryReverse({
        namespace: client.options.namespace,
        execution: { workflowId, runId: executionId },
        maximumPageSize: PAGE,
        nextPageToken: nextPageToken ?? null,
      });
      yield* page.history?.events ?? [];
      nextPageToken = page.nextPageToken;
    } while (nextPageToken != null && nextPageToken.length > 0);
  }
}

/**
 * Begins a new execution of a run's coordinator, from the record, where the present bundle cannot go on with the history of the old one, or
 * not in time (protocol A7, A9; decisions 0009, 0011). Nothing is lost by it: the truth is the record, and exchange numbers go on.
 */
import type { Client } from '@temporalio/client';
import type { InjectedSinks } from '@temporalio/worker';
import type { Logger } from 'pino';
import { type CoordinatorSinks, type RunInput, runWorkflowId } from '../workflows/messages.ts';
import { signalCoordinator } from './signal-coordinator.ts';

export interface SuccessorDeps {
  readonly client: Client;
  readonly taskQueue: string;
  /** Of the bundle that this worker executes. */
  readonly build: string;
  readonly logger: Logger;
}

/** Events asked for at once; an exchange brings four, and its answer may have 100 kB. */
const PAGE = 20;
/** `WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR`. */
const NON_DETERMINISTIC = 24;
/**
 * Events of a history that is not worth its replay. A replay takes 6 ms of processor for each exchange (measured: 6.2 s for 4,900 events with
 * 858 of them); one that does not fit into the time of a workflow task begins again, for ever.
 */
const LONG_HISTORY = 200;

export class Successor {
  readonly #deps: SuccessorDeps;
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(deps: SuccessorDeps) {
    this.#deps = deps;
  }

  /** For the worker: what its coordinators say. The task that said it fails meanwhile. */
  get sinks(): InjectedSinks<CoordinatorSinks> {
    return {
      coordinator: {
        otherBuild: {
          fn: ({ runId }, input) => this.#begin(runId, input, 'its history was made by another build'),
          callDuringReplay: true,
        },
      },
    };
  }

  /**
   * Looks at a run whose log nobody reads for a while, although it was woken: its worker has died, and another one has to replay a long history
   * first, or its task fails because the history does not fit the code. Then a new execution begins. One that has just begun has a short history
   * and is left alone, so each gets to its first exchange.
   */
  async look(input: RunInput): Promise<void> {
    const { client, taskQueue } = this.#deps;
    const workflowId = runWorkflowId(taskQueue, input.run);
    const { runId, status, historyLength } = await client.workflow.getHandle(workflowId).describe();
    if (status.name !== 'RUNNING') return;
    if (historyLength > LONG_HISTORY)
      return this.#begin(runId, input, 'its long history would have to be replayed');
    for await (const event of this.#backwards(workflowId, runId)) {
      if (event.workflowTaskCompletedEventAttributes != null) return;
      if (event.workflowTaskFailedEventAttributes?.cause === NON_DETERMINISTIC)
        return this.#begin(runId, input, 'its history does not fit the code');
    }
  }

  /** Resolves when everything that was begun is there or was given up. */
  async stop(): Promise<void> {
    await Promise.all(this.#underWay.values());
  }

  /** Once for each execution, however often it asks; one that fails is asked for again by the next attempt of the task. */
  #begin(runId: string, input: RunInput, why: string): void {
    if (this.#underWay.has(runId)) return;
    const { logger } = this.#deps;
    const beginning = this.#replace(runId, input)
      .then((seen) => {
        if (seen !== null)
          logger.info({ run: input.run, seen, why }, 'the coordinator restarts from the record');
      })
      .catch((error) => logger.warn({ run: input.run, error }, 'the coordinator could not be restarted'))
      .finally(() => this.#underWay.delete(runId));
    this.#underWay.set(runId, beginning);
  }

  /** The number of the last exchange that the old execution has seen; null when another one is there already. */
  async #replace(runId: string, input: RunInput): Promise<number | null> {
    const { client, taskQueue, build } = this.#deps;
    const workflowId = runWorkflowId(taskQueue, input.run);
    const now = await client.workflow.getHandle(workflowId).describe();
    if (now.runId !== runId || now.status.name !== 'RUNNING') return null;
    const seen = Math.max(input.seen, await this.#lastExchange(workflowId, runId));
    const restarted: RunInput = { ...input, seen, build };
    // One call ends the old one and begins the new one: a deliverer that comes between would know nothing of `seen`.
    await signalCoordinator(client, taskQueue, restarted, { restart: true });
    return seen;
  }

  /** So that a workflow that is ahead of the record freezes in its next execution, too (A9). */
  async #lastExchange(workflowId: string, runId: string): Promise<number> {
    for await (const event of this.#backwards(workflowId, runId)) {
      const payload = event.markerRecordedEventAttributes?.details?.result?.payloads?.[0]?.data;
      if (payload == null) continue;
      const answer: unknown = JSON.parse(Buffer.from(payload).toString());
      // Of the local activities only an exchange that was written answers with its number.
      if (typeof answer === 'object' && answer !== null && 'n' in answer) return Number(answer.n);
    }
    return 0;
  }

  /** The events of an execution, the newest first. */
  async *#backwards(workflowId: string, runId: string) {
    const { client } = this.#deps;
    let nextPageToken: Uint8Array | null | undefined;
    do {
      const page = await client.workflowService.getWorkflowExecutionHistoryReverse({
        namespace: client.options.namespace,
        execution: { workflowId, runId },
        maximumPageSize: PAGE,
        nextPageToken: nextPageToken ?? null,
      });
      yield* page.history?.events ?? [];
      nextPageToken = page.nextPageToken;
    } while (nextPageToken != null && nextPageToken.length > 0);
  }
}

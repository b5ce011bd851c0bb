/** The one call that wakes a coordinator, starts it, or replaces its execution by a new one. */
import type { Client } from '@temporalio/client';
import {
  RUN_WORKFLOW,
  type RunInput,
  runWorkflowId,
  TASK_TIMEOUT,
  WAKE_SIGNAL,
} from '../workflows/messages.ts';

/** Wakes the coordinator of `input.run`, or starts it with `input`. With `restart`, the same call ends the present execution. */
export async function signalCoordinator(
  client: Client,
  taskQueue: string,
  input: RunInput,
  { restart = false }: { restart?: boolean } = {},
): Promise<void> {
  await client.workflow.signalWithStart(RUN_WORKFLOW, {
    workflowId: runWorkflowId(taskQueue, input.run),
    taskQueue,
    args: [input],
    signal: WAKE_SIGNAL,
    signalArgs: [],
    workflowTaskTimeout: TASK_TIMEOUT,
    ...(restart ? { workflowIdConflictPolicy: 'TERMINATE_EXISTING' as const } : {}),
  });
}

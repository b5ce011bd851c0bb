/** Local activities of the coordinator: they never go through a task queue (a remote one costs 50 to 100 ms a hop, measured). */
import { proxyLocalActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';

// The record's own limits (transaction_timeout 5 s) end a frozen transaction before this one gives up (protocol A10).
const local = proxyLocalActivities<Activities>({
  startToCloseTimeout: '10s',
  localRetryThreshold: '30s',
  retry: { initialInterval: '50ms', backoffCoefficient: 2, maximumInterval: '5s' },
});

export const { exchange, freezeRun, loadRun } = local;

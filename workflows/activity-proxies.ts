/** Activities of the workflows. The coordinator's are local: they never go through a task queue (a remote one costs 50 to 100 ms a hop, measured). */
import { proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';

// The record's own limits (transaction_timeout 5 s) end a frozen transaction before this one gives up (protocol A10).
const local = proxyLocalActivities<Activities>({
  startToCloseTimeout: '10s',
  localRetryThreshold: '30s',
  retry: { initialInterval: '50ms', backoffCoefficient: 2, maximumInterval: '5s' },
});

export const { exchange, exchangeOnArrival, freezeRun, loadRun } = local;

// Nobody waits for this one by the millisecond, and opening many large runs takes its time; what was opened before a retry stays opened.
export const { openDue } = proxyActivities<Pick<Activities, 'openDue'>>({
  startToCloseTimeout: '2 minutes',
  retry: { initialInterval: '1s', maximumInterval: '30s' },
});

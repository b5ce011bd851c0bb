/** What a schedule starts when it fires: everything that is due by then is decided and opened, in the record. */
import { workflowInfo } from '@temporalio/workflow';
import { openDue } from './activity-proxies.ts';
import type { OpenInput } from './messages.ts';

export async function openScheduled({ schedule }: OpenInput): Promise<void> {
  // The moment for which it was fired, which may be long ago when Temporal or the workers were down.
  const scheduled = workflowInfo().searchAttributes.TemporalScheduledStartTime?.[0];
  await openDue(schedule, scheduled instanceof Date ? scheduled.getTime() : Date.now());
}

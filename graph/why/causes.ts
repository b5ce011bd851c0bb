import type { FlowKind } from '../model.ts';

/** Codes of the causes that `why` answers, each with its meaning. Part of the API's schema. */
export const CAUSES = {
  agent_hung: 'sent to an agent more than 10 minutes ago and not started',
  agent_silent: 'the agent that has it has not been heard of for a whole lease time',
  agents_drained: 'every agent that could take it is drained',
  already_ran: 'it is done',
  backlog: 'an earlier period is not finished: its own, or the run before it',
  cancelled: 'its execution was cancelled',
  check_false: 'a check on data says no; it is tried again',
  dependency_invalid: 'it waits for a flow that does not exist',
  distribution_failed: 'a distribution failed',
  distribution_pending: 'a distribution is not complete',
  distribution_waiting_import: 'a distribution has waited more than 10 minutes for its import',
  engine_pending: 'its turn has come; the coordinator has not acted on it yet',
  event_condition_unmet: 'the event that triggers it has not come',
  fence_held_elsewhere:
    'its program waits on the platform: a session of elsewhere holds the fence of its work',
  gate_rejected: 'a person rejected it',
  gate_unconfirmed: 'a person has not confirmed it',
  held: 'an operator holds it',
  interface_failed: 'the load of an interface failed',
  interface_late: 'an interface is not loaded and its deadline or reference time has passed',
  interface_not_configured: 'the interface is missing in a load table of its target platform',
  interface_not_due: 'an interface is not due yet',
  lock_held: 'another flow holds a lock that it needs',
  loop: 'flows wait for one another',
  no_fitting_agent: 'no agent of the platform has the labels that it needs',
  no_free_slot: 'all slots of the agents that could take it are in use',
  no_live_agent: 'no agent of its platform is alive',
  no_progress:
    'nothing of the run has ended on its platform, and no agent there has taken anything, for 15 minutes',
  not_in_catalogue: 'the catalogue has no such flow',
  not_in_run: 'the run does not contain it: another cycle, or another catalogue version',
  not_triggered: 'it starts only when somebody triggers it',
  other_run: 'it waits for a flow of another run',
  outcome_unknown: 'its agent was lost; nobody knows whether it ran',
  paused: 'its run or platform is paused',
  pool_full: 'a pool that it needs is full',
  previous_attempt_ending: 'an older attempt has not reported its end',
  procedure_excluded: 'the run was opened for other procedures',
  processes_survive: 'its program is to end, and processes of it cannot be ended',
  rerun_pending: 'it is about to be rerun',
  retired: 'it was retired',
  retry_backoff: 'it failed and waits for the next attempt',
  room_kept: 'what it needs is kept for an expedited or key flow that stands before it',
  run_closed: 'the run is closed',
  run_frozen: 'the run is frozen until a person decides',
  run_not_opened: 'the run of this period was not opened',
  schedule_not_reached: 'its start time has not come',
  schedule_shifted: 'a blackout moved the opening of the run',
  sent_to_agent: 'it was sent to an agent and starts in a moment',
  tasktracker_hung: 'agents are alive and idle, and have not taken it for more than an hour',
  upstream_failed: 'it failed',
  upstream_running: 'it is running',
  upstream_running_long: 'it has been running for more than an hour, or for half as long again as usual',
  waiting_agent: 'it waits for an agent to take it',
} as const;
export type CauseCode = keyof typeof CAUSES;

/** The cause that a flow of this kind is for those that wait for it when it has failed. */
export const failedCause = (
  kind: FlowKind,
): 'distribution_failed' | 'interface_failed' | 'upstream_failed' =>
  kind === 'distribution' || kind === 'interface' ? `${kind}_failed` : 'upstream_failed';

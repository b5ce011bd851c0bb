/** States of a flow: the one table from which every list and check is made (protocol D4, D5). */

/** Results end a generation. `code` is what the typed arrays hold; 0 is 'no result yet'. */
export const RESULTS = {
  succeeded: { code: 1, releasesDownstream: true, rerunnable: true },
  failed: { code: 2, releasesDownstream: false, rerunnable: true },
  cancelled: { code: 3, releasesDownstream: false, rerunnable: true },
  skipped: { code: 4, releasesDownstream: true, rerunnable: true },
  force_passed: { code: 5, releasesDownstream: true, rerunnable: true },
  outcome_unknown: { code: 6, releasesDownstream: false, rerunnable: false },
} as const;

export type Result = keyof typeof RESULTS;

/** Where a flow waits while it has no result and no open lease; the exchange writes it as `run_flows.phase`. */
export const PHASES = [
  'not_triggered',
  'held',
  'waiting_upstream',
  'waiting_time',
  'waiting_person',
  'waiting_agent',
] as const;
export type Phase = (typeof PHASES)[number];

export type State = Result | 'retired' | 'running' | 'sent_to_agent' | Phase;

const byCode: readonly (Result | null)[] = [
  null,
  ...(Object.keys(RESULTS) as Result[]).sort((a, b) => RESULTS[a].code - RESULTS[b].code),
];

/** Result of a code, null for 0. */
export function resultOf(code: number): Result | null {
  return byCode[code] ?? null;
}

/** Code of a result; 0 for none. */
export function codeOf(result: Result | null): number {
  return result === null ? 0 : RESULTS[result].code;
}

/** True when downstream flows may use this result (protocol D5). Indexed by code. */
const releases: readonly boolean[] = byCode.map((r) => r !== null && RESULTS[r].releasesDownstream);

export function isReleasing(code: number): boolean {
  return releases[code]!;
}

/** Every state, in the order in which answers list them. Which of them a flow has is decided by graph/run/state-of.ts, in the order of protocol D4. */
export const STATES: readonly State[] = [
  ...(Object.keys(RESULTS) as Result[]),
  'retired',
  'running',
  'sent_to_agent',
  ...PHASES,
];

/** `ns` in the table of protocol E1: the flow has no result, and no attempt was sent or runs. */
export const NOT_STARTED: readonly State[] = [...PHASES];

/**
 * What removes a cause: the verb (graph/verbs/verbs.ts) with a command ready to run, and the procedure of the operators' handbook
 * (docs/answers.md, Procedures).
 */

import type { Verb } from '../run/decisions.ts';
import type { State } from '../run/status.ts';
import { VERBS } from '../verbs/verbs.ts';
import type { CauseCode } from './causes.ts';

export interface Remedy {
  readonly verb: Verb | 'open' | null;
  readonly command: string | null;
  readonly otherwise: readonly Verb[];
  readonly procedure: string | null;
}

/** The rule of a cause code, the same for every flow. */
export const remedyRule = (code: CauseCode): Rule => RULES[code];

interface Rule {
  readonly verb?: Verb;
  /** Verbs that free the flows that wait, without removing the cause. */
  readonly otherwise?: readonly Verb[];
  readonly procedure?: string;
}

const mend: Rule = { verb: 'rerun', otherwise: ['force-pass', 'waive'], procedure: 'P26' };

const RULES: Record<CauseCode, Rule> = {
  agent_hung: { otherwise: ['cancel'], procedure: 'P13' },
  agent_silent: { otherwise: ['cancel'], procedure: 'P13' },
  agents_drained: {},
  already_ran: { otherwise: ['rerun'] },
  backlog: { verb: 'waive', procedure: 'P21' },
  cancelled: { verb: 'rerun', otherwise: ['force-pass', 'waive'] },
  check_false: { otherwise: ['force-pass', 'skip'], procedure: 'P22' },
  dependency_invalid: { verb: 'waive', procedure: 'P34' },
  distribution_failed: { ...mend, procedure: 'P23' },
  distribution_pending: { procedure: 'P23' },
  distribution_waiting_import: { otherwise: ['expedite'], procedure: 'P19' },
  engine_pending: {},
  event_condition_unmet: { verb: 'trigger', otherwise: ['skip'], procedure: 'P22' },
  fence_held_elsewhere: { otherwise: ['cancel'] },
  gate_rejected: { verb: 'rerun', otherwise: ['force-pass'] },
  gate_unconfirmed: { verb: 'confirm', otherwise: ['force-pass', 'skip'] },
  held: { verb: 'unhold', otherwise: ['waive'] },
  interface_failed: mend,
  interface_late: { otherwise: ['trigger', 'force-pass', 'waive'], procedure: 'P26' },
  interface_not_configured: { otherwise: ['force-pass', 'waive'], procedure: 'P34' },
  interface_not_due: { otherwise: ['start-now', 'waive'] },
  lock_held: { otherwise: ['expedite'] },
  loop: { verb: 'waive', otherwise: ['start-now', 'force-pass'], procedure: 'P34' },
  no_fitting_agent: {},
  no_free_slot: { otherwise: ['expedite'] },
  no_live_agent: { procedure: 'P19' },
  no_progress: { otherwise: ['expedite'], procedure: 'P25' },
  not_in_catalogue: {},
  not_in_run: {},
  not_triggered: { verb: 'trigger', otherwise: ['skip', 'force-pass'] },
  other_run: { verb: 'waive', procedure: 'P21' },
  outcome_unknown: { verb: 'resolve', otherwise: ['force-pass'], procedure: 'P26' },
  paused: { verb: 'resume' },
  pool_full: { otherwise: ['expedite'] },
  previous_attempt_ending: {},
  procedure_excluded: { verb: 'trigger', otherwise: ['waive'] },
  processes_survive: { verb: 'cancel' },
  rerun_pending: {},
  retired: { verb: 'waive', otherwise: ['unretire'], procedure: 'P20' },
  retry_backoff: { otherwise: ['start-now'] },
  room_kept: { otherwise: ['expedite'] },
  run_closed: { verb: 'reopen' },
  run_frozen: {},
  run_not_opened: { procedure: 'P21' },
  schedule_not_reached: { verb: 'start-now' },
  schedule_shifted: { procedure: 'P09' },
  sent_to_agent: {},
  tasktracker_hung: { otherwise: ['expedite'], procedure: 'P13' },
  upstream_failed: mend,
  upstream_running: { otherwise: ['cancel'] },
  upstream_running_long: { otherwise: ['cancel'] },
  waiting_agent: { otherwise: ['expedite'] },
};

/** A cause, with what its command names. `to`: the flow that waits for `flow`, for verbs about an edge. */
export interface RemedyOf {
  readonly code: CauseCode;
  readonly run: string;
  readonly flow: string | null;
  readonly to: string | null;
  /** The run of the upstream, when it is another one. */
  readonly upstreamRun?: string | null;
  /** State of the flow; only verbs that it allows are offered. */
  readonly state: State | null;
  /** Procedure of the flow; gates of the month start have procedures of their own. */
  readonly procedure: string | null;
  /** Scope of a pause, such as `platform:yt`, or the name of a drained agent. */
  readonly scope: string | null;
  /** A person's rerun waits for the end of its attempt, so it cannot be cancelled. Default: no. */
  readonly isAwaited?: boolean;
  /** What waits is a member of a rerun plan and waits for all members above it, so no edge frees it; start-now does. Default: no. */
  readonly waitsForMembers?: boolean;
}

/** The remedy of a cause: a verb that the flow allows, its command, other verbs and the procedure. */
export function remedyOf(given: RemedyOf): Remedy {
  const rule = RULES[given.code];
  const procedure = procedureOf(given, rule);
  const otherwise = [
    ...(rule.otherwise ?? []).filter((verb) => isPossible(verb, given)),
    ...(isInVain(rule, given) ? (['start-now'] as const) : []),
  ];
  if (given.flow === null && OPENS.includes(given.code))
    return { verb: 'open', command: openCommand(given.run), otherwise, procedure };
  if (given.code === 'run_frozen')
    return { verb: null, command: `sluice run reload ${given.run} --reason "..."`, otherwise, procedure };
  if (given.code === 'agents_drained' && given.scope !== null)
    return { verb: null, command: `sluice agent undrain ${given.scope}`, otherwise, procedure };
  // In any state of the flow, as the attempt may be a superseded one.
  if (given.code === 'processes_survive' && given.flow !== null)
    return {
      verb: 'cancel',
      otherwise,
      procedure,
      command: `sluice cancel ${given.flow} --run ${given.run} --force-end --reason "..."`,
    };
  // Without a flow that waits there is no edge to waive, so the remedy is to bring the flow back.
  const wanted = given.code === 'retired' && given.to === null ? 'unretire' : rule.verb;
  const verb = wanted !== undefined && isPossible(wanted, given) ? wanted : null;
  if (verb === null) return { verb: null, command: null, otherwise, procedure };
  return { verb, command: command(verb, given), otherwise, procedure };
}

/** Codes of a run that was not opened. */
const OPENS: readonly CauseCode[] = ['run_not_opened', 'schedule_shifted', 'backlog'];

function procedureOf({ code, procedure, scope }: RemedyOf, rule: Rule): string | null {
  // Gates of the month start have procedures of their own; a paused platform is a production event.
  if (code === 'gate_unconfirmed' || code === 'gate_rejected') return procedure;
  if (code === 'paused' && scope?.startsWith('platform:')) return 'P25';
  return rule.procedure ?? null;
}

function isPossible(verb: Verb, { state, to, isAwaited, waitsForMembers }: RemedyOf): boolean {
  const { target, allowedIn } = VERBS.get(verb)!;
  if (target === 'edge') return to !== null && waitsForMembers !== true;
  if (verb === 'cancel' && isAwaited === true) return false;
  return target === 'run' || state === null || allowedIn.includes(state);
}

/** Whether a waive would be offered and free nothing. */
const isInVain = ({ verb, otherwise = [] }: Rule, { to, waitsForMembers }: RemedyOf): boolean =>
  waitsForMembers === true && to !== null && (verb === 'waive' || otherwise.includes('waive'));

/** The command to type; the operator fills in the words in quotes. */
function command(verb: Verb, { run, flow, to, scope, upstreamRun }: RemedyOf): string {
  const rule = VERBS.get(verb)!;
  const said = `${rule.needsReason ? ' --reason "..."' : ''}${rule.needsEvidence ? ' --evidence "..."' : ''}`;
  switch (rule.target) {
    case 'run':
      return scope?.startsWith('platform:')
        ? `sluice platform ${verb} ${scope.slice('platform:'.length)}${said}`
        : `sluice run ${verb} ${run}${said}`;
    case 'plan':
      return `sluice rerun ${flow} --run ${run} --scope downstream --apply${said}`;
    case 'edge':
      return `sluice ${verb} ${flow} ${to} --run ${run}${upstreamRun ? ` --upstream-run ${upstreamRun}` : ''}${said}`;
    case 'flow':
      return `sluice ${verb} ${flow} --run ${run}${verb === 'resolve' ? ' --did-not-run' : ''}${said}`;
    default:
      return rule.target satisfies never;
  }
}

function openCommand(run: string): string {
  const [, cycle, rest] = /^([a-z]+)-(.*)$/.exec(run) ?? ['', '', run];
  const [, period, purpose] = /^(.*?)(?:-(backfill|rehearsal)-\d+)?$/.exec(rest!) ?? ['', rest];
  return `sluice run open ${period} --cycle ${cycle}${purpose === undefined ? '' : ` --purpose ${purpose}`}`;
}

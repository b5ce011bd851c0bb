/** `why` for a run that was not opened, or a flow that is not in the run: causes like all others (docs/answers.md). */
import { beforeText, isBefore } from '../calendar/beginning.ts';
import type { RunKey } from '../calendar/calendar.ts';
import type { Sentence } from '../text/sentence.ts';
import type { Cause } from './cause.ts';
import { sentenceOf } from './cause-text.ts';
import type { CauseCode } from './causes.ts';
import { remedyOf } from './remedies.ts';
import { type BackfillTurn, explainUnopened, type ScheduleFacts, turnText } from './unopened.ts';

/** Where a flow is that the run does not contain. */
export type Elsewhere =
  /** In the catalogue version of the run, in runs of another cycle. */
  | { readonly in: 'other_cycle'; readonly cycle: string }
  | { readonly in: 'newer_version' | 'older_version'; readonly version: number; readonly runs: number }
  | { readonly in: 'nowhere'; readonly near: readonly string[] };

/** Why a flow is not in the run, as a cause. O(1). */
export function absentFlow(run: string, flow: string, found: Elsewhere, now: number): Cause {
  switch (found.in) {
    case 'other_cycle':
      return absent('not_in_run', { run, flow }, now, {
        en: `it belongs to the ${found.cycle} runs`,
        zh: `它属于${CYCLES[found.cycle] ?? found.cycle}运行`,
      });
    case 'newer_version':
      return absent('not_in_run', { run, flow }, now, {
        en: `catalogue version ${found.version} has it, the run keeps version ${found.runs}`,
        zh: `目录版本 ${found.version} 才有该流程，该运行使用版本 ${found.runs}`,
      });
    case 'older_version':
      return absent('retired', { run, flow }, now, {
        en: `catalogue version ${found.version} was the last that had it`,
        zh: `目录版本 ${found.version} 之后已不再包含该流程`,
      });
    case 'nowhere': {
      const names = found.near.join(', ');
      return absent('not_in_catalogue', { run, flow }, now, names === '' ? null : { en: names, zh: names });
    }
    default:
      return found satisfies never;
  }
}

/** A run that was not opened, and what the record knows that could explain it. */
export interface AbsentRun {
  readonly id: string;
  /** The parts of the id. */
  readonly key: RunKey;
  /** Schedules that could have opened it. */
  readonly schedules: readonly ScheduleFacts[];
  /** The backfill that it is part of; null = none. */
  readonly backfill: BackfillTurn | null;
  /** The first period of its cycle; null = every period exists. */
  readonly begins: string | null;
  /** Zone in which its period begins and ends; default: that of the default calendar. */
  readonly timeZone?: string;
}

/** Why a run was not opened, as a cause; `flow` is the flow of it that was asked about. O(schedules of its cycle). */
export function absentRun(run: AbsentRun, flow: string | null, now: number): Cause {
  const { id, key, schedules, backfill, begins, timeZone } = run;
  // No schedule opens rehearsals and backfills.
  const { text, held, since, until } =
    key.purpose === 'scheduled'
      ? isBefore(key.period, begins)
        ? { text: beforeText(key.cycle, begins!), held: null, since: null, until: null }
        : explainUnopened(key, schedules, now, timeZone)
      : { text: backfill === null ? null : turnText(backfill), held: null, since: null, until: null };
  const cause = absent(held ?? 'run_not_opened', { run: id, flow: null }, now, text);
  return { ...cause, chain: flow === null ? [] : [flow], since, until };
}

const CYCLES: Record<string, string> = { hour: '小时', day: '日', month: '月' };

function absent(
  code: CauseCode,
  { run, flow }: { readonly run: string; readonly flow: string | null },
  now: number,
  said: Sentence | null,
): Cause {
  const subject = flow === null ? { en: `The run ${run}`, zh: `运行 ${run}` } : { en: flow, zh: flow };
  const condition = { since: null, until: null, by: null };
  const textWith = (reason: string | null) =>
    sentenceOf(code, { ...condition, reason, subject, members: [], now });
  return {
    ...condition,
    flow,
    run,
    code,
    reason: said?.en ?? null,
    names: null,
    state: null,
    key: false,
    owner: null,
    members: [],
    blocks: 0,
    chain: flow === null ? [] : [flow],
    // No verb can name the flow; a procedure or the opening of the run may help.
    remedy: {
      ...remedyOf({ code, run, flow: null, to: null, state: null, procedure: null, scope: null }),
      ...NO_FLOW_VERB[code],
    },
    text: { en: textWith(said?.en ?? null).en, zh: textWith(said?.zh ?? null).zh },
  };
}

const NO_FLOW_VERB: Partial<Record<CauseCode, { verb: null; command: null; otherwise: [] }>> = {
  retired: { verb: null, command: null, otherwise: [] },
};

/** What a rule does about newer data (protocol F2, F3): waits, acts, asks a person, or only reports. Pure: plans, the past and `now` go in. */
import { toLocal } from '../calendar/time-zone.ts';
import type { Rule } from '../model.ts';
import type { Sentence } from '../text/sentence.ts';

/** Why an act is in its state, with what it says to people. */
export const ACT_CODES = {
  approval_always: { en: 'the rule always asks a person', zh: '该规则每次都须人工批准' },
  chain_too_deep: { en: 'three rules have led to it already', zh: '已由三条规则接连引发' },
  cool_down: { en: 'it rests after what it redid in a run', zh: '在该运行中刚重做过，处于冷却期' },
  flow_limit: {
    en: 'a flow would be redone more often than the rule may',
    zh: '某流程的重做次数将超过规则上限',
  },
  key_flows: { en: 'key flows are among those to redo', zh: '重做范围包含重点流程' },
  key_flows_changed: {
    en: 'key flows have come to it since a person approved',
    zh: '批准之后重做范围新增了重点流程',
  },
  lasting: { en: 'it waits whether the cause lasts', zh: '等待确认原因是否持续' },
  left_out: {
    en: 'runs that stay as they are have used the old data',
    zh: '使用过旧数据的只有保持不变的运行',
  },
  not_enabled: { en: 'the rule only reports: nobody has enabled it', zh: '规则未启用，仅作报告' },
  not_failed: { en: 'the flow has not failed any more, or is retired', zh: '流程已不处于失败状态，或已下线' },
  nothing_to_redo: { en: 'nothing has used older data', zh: '没有流程使用了旧数据' },
  outside_window: { en: 'it may not act at this time of day', zh: '不在允许执行的时间窗内' },
  person_decides_first: {
    en: 'flows wait for a decision of a person, or for another rerun',
    zh: '有流程须先由人裁定，或正等待其他重跑',
  },
  person_is_asked: {
    en: 'a person would be asked again for a gate or trigger',
    zh: '有确认或触发须再次由人处理',
  },
  plan_stale: { en: 'flows changed five times while it planned', zh: '制定方案期间流程状态连续五次变化' },
  run_limit: { en: 'it would act in a run more often than it may', zh: '在该运行中的执行次数将超过规则上限' },
  settling: { en: 'it waits until nothing more comes', zh: '等待修正与结果稳定' },
  too_long: { en: 'the plan would take longer than the rule may', zh: '预计耗时超过规则上限' },
  too_many_members: { en: 'the plan has more flows than the rule may redo', zh: '重做流程数超过规则上限' },
} as const satisfies Record<string, Sentence>;
export type ActCode = keyof typeof ACT_CODES;

/** Maximum number of rules that lead to one another. */
const MAX_DEPTH = 3;
const DAY_MS = 86_400_000;
/** How much longer than `settleMs` things gather when more and more comes, times. */
const PATIENCE = 12;

export interface FoundPlan {
  /** Flows that would be redone, `RUN FLOW` in `flow` of `run`. */
  readonly redone: readonly { readonly run: string; readonly flow: string; readonly key: boolean }[];
  readonly estimateMs: number;
  /** Gates and triggers that would ask again. */
  readonly asks: number;
  /** Members about which a person must decide first. */
  readonly undecided: number;
  /** Runs that have used older data and stay as they are. */
  readonly left: number;
}

export interface RulePast {
  /** What the rule has redone, with the moment. */
  readonly redone: readonly {
    readonly act: string;
    readonly run: string;
    readonly flow: string;
    readonly at: number;
  }[];
}

export interface Standing {
  readonly enabled: boolean;
  readonly depth: number;
  /** Key flows, `RUN FLOW`, that a person has approved; null: nobody was asked. */
  readonly approvedKeys: readonly string[] | null;
  /** A person has said that the rule need not rest. */
  readonly hurried: boolean;
  readonly now: number;
  readonly zone: string;
}

export type Judgement =
  | { readonly do: 'end'; readonly state: 'covered' | 'reported' | 'requested'; readonly code: ActCode }
  | { readonly do: 'wait'; readonly until: number; readonly code: ActCode }
  | { readonly do: 'apply' };

export const keyName = ({ run, flow }: { readonly run: string; readonly flow: string }): string =>
  `${run} ${flow}`;

/** The instant at which what has gathered is acted on: nothing came for `settleMs`, but no later than twelve times that after the first. */
export function settledAt({ settleMs }: Pick<Rule, 'settleMs'>, moments: readonly number[]): number {
  const first = Math.min(...moments);
  const last = Math.max(...moments);
  return Math.min(last + settleMs, first + PATIENCE * settleMs);
}

/** Waits that a person may cut short. */
const CUT_SHORT: ReadonlySet<string> = new Set<ActCode>(['settling', 'cool_down', 'lasting']);

/** What is known of an act that gathers. */
export interface Gathering {
  readonly at: number;
  /** Not before this instant; 0 = nothing more is to be waited for. */
  readonly dueAt: number;
  /** What `dueAt` waits for. */
  readonly code: string | null;
  readonly hurried: boolean;
  readonly approvedBy: string | null;
}

/** The instant at which acts are planned together: once they have settled, which a person's word replaces, and not before what else they wait for. */
export function planAt(rule: Pick<Rule, 'settleMs'>, acts: readonly Gathering[]): number {
  const hurried = acts.some((act) => act.hurried);
  const isSettled = hurried || acts.some(({ approvedBy }) => approvedBy !== null);
  const waits = acts.filter(({ code }) => !(hurried && code !== null && CUT_SHORT.has(code)));
  return Math.max(
    isSettled
      ? 0
      : settledAt(
          rule,
          acts.map(({ at }) => at),
        ),
    ...waits.map(({ dueAt }) => dueAt),
  );
}

/** O(members + past). */
export function judge(rule: Rule, plan: FoundPlan, past: RulePast, standing: Standing): Judgement {
  const { limits, approval } = rule;
  const { enabled, now, approvedKeys } = standing;
  const request = (code: ActCode): Judgement => ({ do: 'end', state: 'requested', code });
  if (plan.redone.length === 0)
    return plan.left > 0 ? request('left_out') : { do: 'end', state: 'covered', code: 'nothing_to_redo' };
  if (!enabled) return { do: 'end', state: 'reported', code: 'not_enabled' };
  const opensAt = limits.window === undefined ? now : windowOpens(limits.window, now, standing.zone);
  if (opensAt > now) return { do: 'wait', until: opensAt, code: 'outside_window' };
  const runs = new Set(plan.redone.map(({ run }) => run));
  const restsUntil = Math.max(
    0,
    ...past.redone.flatMap(({ run, at }) => (runs.has(run) ? [at + limits.coolDownMs] : [])),
  );
  if (restsUntil > now && !standing.hurried) return { do: 'wait', until: restsUntil, code: 'cool_down' };
  if (plan.undecided > 0) return request('person_decides_first');
  const keys = plan.redone.filter(({ key }) => key).map(keyName);
  if (approvedKeys !== null)
    return keys.every((key) => approvedKeys.includes(key)) ? { do: 'apply' } : request('key_flows_changed');
  if (standing.depth > MAX_DEPTH) return request('chain_too_deep');
  if (plan.redone.length > limits.members) return request('too_many_members');
  if (plan.estimateMs > limits.minutes * 60_000) return request('too_long');
  const today = past.redone.filter(({ at }) => at > now - DAY_MS);
  const times = new Map<string, number>();
  for (const item of today) times.set(keyName(item), (times.get(keyName(item)) ?? 0) + 1);
  if (plan.redone.some((item) => (times.get(keyName(item)) ?? 0) >= limits.perFlowAndDay))
    return request('flow_limit');
  for (const run of runs) {
    const acts = new Set(today.flatMap((item) => (item.run === run ? [item.act] : [])));
    if (acts.size >= limits.perRunAndDay) return request('run_limit');
  }
  if (approval === 'always') return request('approval_always');
  if (approval === 'key' && keys.length > 0) return request('key_flows');
  if (approval === 'key' && plan.asks > 0) return request('person_is_asked');
  return { do: 'apply' };
}

/** The next instant within a window of local clock times; `now` when it lies in one. To the minute, so a skipped hour opens at its end. */
export function windowOpens(window: string, now: number, zone: string): number {
  const minutes = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
  const [from, to] = [minutes(window.slice(0, 5)), minutes(window.slice(6))];
  const isOpen = (at: number): boolean => {
    const local = Math.floor(toLocal(zone, at) / 60_000) % 1_440;
    return from < to ? local >= from && local < to : local >= from || local < to;
  };
  if (isOpen(now)) return now;
  let at = Math.floor(now / 60_000) * 60_000;
  do at += 60_000;
  while (!isOpen(at));
  return at;
}

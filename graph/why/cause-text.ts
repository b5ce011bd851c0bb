/** One sentence for each cause, in English and Chinese. Times are spans seen from now: no zone is needed to read them. */

import type { GaveUp } from '../run/run-facts.ts';
import type { FailureKind } from '../run/state.ts';
import type { Sentence } from '../text/sentence.ts';
import type { CauseCode } from './causes.ts';
import type { Condition } from './condition.ts';
import { saidText } from './ending-text.ts';

/** What a sentence may speak of. */
export interface Told extends Omit<Condition, 'since' | 'code'> {
  readonly since: number | null;
  /** `P04.DwdBill (Bills)`, or the run's id. */
  readonly subject: Sentence;
  readonly members: readonly string[];
  readonly now: number;
}

/** `3 d 4 h`, `2 h 5 min`, `12 s`: the two largest units. */
export function span(ms: number): Sentence {
  const s = Math.max(0, Math.round(ms / 1000));
  const parts: [number, string, string][] = [
    [Math.floor(s / 86_400), 'd', '天'],
    [Math.floor(s / 3_600) % 24, 'h', '小时'],
    [Math.floor(s / 60) % 60, 'min', '分'],
    [s % 60, 's', '秒'],
  ];
  const first = parts.findIndex(([n]) => n > 0);
  if (first < 0) return { en: '0 s', zh: '0 秒' };
  const shown = parts.slice(first, first + 2).filter(([n]) => n > 0);
  return {
    en: shown.map(([n, en]) => `${n} ${en}`).join(' '),
    zh: shown.map(([n, , zh]) => `${n} ${zh}`).join(' '),
  };
}

const KINDS: Record<FailureKind, Sentence> = {
  program: { en: 'program', zh: '程序' },
  infrastructure: { en: 'infrastructure', zh: '基础设施' },
  timeout: { en: 'timeout', zh: '超时' },
  lost: { en: 'lost', zh: '失联' },
};

/** `gave up: still false after 6 h (giveUpAfterMs is 6 h)`, `gave up after 4 infrastructure failures in a row (retries: 3)`. */
export function gaveUpText({ cause, used, allowed }: GaveUp): Sentence {
  if (cause === 'false') {
    const [took, limit] = [span(used), span(allowed)];
    return {
      en: `gave up: still false after ${took.en} of asking (giveUpAfterMs is ${limit.en})`,
      zh: `已放弃：检查累计 ${took.zh} 仍未通过（giveUpAfterMs 为 ${limit.zh}）`,
    };
  }
  const { en, zh } = KINDS[cause];
  return {
    en: `gave up after ${used} ${en} failures in a row (retries: ${allowed})`,
    zh: `连续 ${used} 次${zh}失败后已放弃（重试 ${allowed} 次）`,
  };
}

const join = (...parts: Sentence[]): Sentence => ({
  en: parts.map((part) => part.en).join(''),
  zh: parts.map((part) => part.zh).join(''),
});
const say = (en: string, zh: string): Sentence => ({ en, zh });
const none = say('', '');

const forLong = (t: Told): Sentence => {
  if (t.since === null) return none;
  const { en, zh } = span(t.now - t.since);
  return say(` for ${en}`, `，已 ${zh}`);
};
const ago = (t: Told): Sentence => {
  if (t.since === null) return none;
  const { en, zh } = span(t.now - t.since);
  return say(` ${en} ago`, `（${zh}前）`);
};
const inTime = (t: Told): Sentence => {
  if (t.until === null) return none;
  const { en, zh } = span(t.until - t.now);
  return say(`, in ${en}`, `，还有 ${zh}`);
};
const due = (t: Told): Sentence => {
  if (t.until === null) return none;
  const { en, zh } = span(Math.abs(t.until - t.now));
  return t.until < t.now
    ? say(`; it was due ${en} ago`, `；已超过截止时间 ${zh}`)
    : say(`; it is due in ${en}`, `；距截止时间 ${zh}`);
};
/** Of what runs: `until` = its start and as long as it takes on a usual day. */
const usually = (t: Told): Sentence => {
  if (t.until === null || t.since === null) return none;
  const { en, zh } = span(t.until - t.since);
  return say(`; it usually takes ${en}`, `；通常需 ${zh}`);
};
/** Of room: when those that hold it should have ended. */
const freeIn = (t: Told): Sentence => {
  if (t.until === null) return none;
  const { en, zh } = span(t.until - t.now);
  return say(`; it should be free in ${en}`, `；预计 ${zh}后空出`);
};
const by = (t: Told, en: string, zh: string): Sentence =>
  t.by === null ? none : say(`${en === '' ? '' : ` ${en}`} ${t.by}`, `（${zh}${t.by}）`);
/** What was said, in a line: the rest stands in `reason`. */
const because = (t: Told): Sentence => {
  if (t.reason === null) return none;
  const { en, zh } = saidText(t.reason);
  return say(`: ${en}`, `：${zh}`);
};

/** Of what failed for good: what was said last, and that its budget is used up. */
const failedBecause = (t: Told): Sentence => {
  const { gaveUp = null } = t;
  if (gaveUp === null) return because(t);
  const { en, zh } = gaveUpText(gaveUp);
  if (gaveUp.cause === 'false') return say(`: ${en}`, `：${zh}`);
  return join(because(t), say(`; ${en}`, `；${zh}`));
};

/** Subject first, then these. */
const PREDICATES: Record<CauseCode, (t: Told) => Sentence> = {
  agent_hung: (t) =>
    join(
      say(' was sent', ' 已下发'),
      by(t, 'to', '代理 '),
      ago(t),
      say(' and has not started', '，一直未启动'),
    ),
  agent_silent: (t) =>
    join(
      say(` is with the agent ${t.by}, which has been silent`, ` 所在代理 ${t.by} 无响应`),
      forLong(t),
      say('; the engine acts when its lease is over', '；租约到期后引擎会处理'),
    ),
  agents_drained: (t) =>
    join(
      say(' waits', ' 等待代理'),
      forLong(t),
      by(t, 'while every agent is drained:', '代理均已停止接单：'),
    ),
  already_ran: (t) => join(say(' is done, ', ' 已完成，结果 '), say(t.by ?? '', t.by ?? ''), ago(t)),
  backlog: (t) =>
    t.by === null
      ? join(say(' was not opened: an earlier period is open', ' 尚未打开：之前的周期未完成'), because(t))
      : say(` has not ended in its earlier period, run ${t.by}`, ` 之前的周期尚未完成（运行 ${t.by}）`),
  cancelled: (t) => join(say(' was cancelled', ' 已被取消'), by(t, 'by', '操作人 '), ago(t), because(t)),
  check_false: (t) =>
    join(
      say(' was asked', ' 检查未通过'),
      ago(t),
      say(' and said no; it is asked again', '，将再次检查'),
      inTime(t),
    ),
  dependency_invalid: () => say(' does not exist, but other flows wait for it', ' 不存在，但有流程依赖它'),
  distribution_failed: (t) =>
    join(say(' failed', ' 分发失败'), by(t, 'on', '代理 '), ago(t), failedBecause(t)),
  distribution_pending: (t) =>
    join(say(' has been copying', ' 正在分发'), by(t, 'by', '代理 '), forLong(t), usually(t)),
  distribution_waiting_import: (t) => join(say(' has waited for its import', ' 等待入库'), forLong(t)),
  engine_pending: (t) =>
    join(
      say(' has its turn, and the coordinator has not acted on it', ' 已轮到，协调器尚未处理'),
      forLong(t),
    ),
  event_condition_unmet: (t) =>
    join(say(` waits for the event ${t.by ?? ''}`, ` 等待事件 ${t.by ?? ''}`), forLong(t)),
  fence_held_elsewhere: (t) =>
    join(
      say(' waits on the platform', ' 在平台上等待'),
      forLong(t),
      by(t, 'for the fence of its work, which is held by', '同一作业被占用：'),
    ),
  gate_rejected: (t) => join(say(' was rejected', ' 被驳回'), by(t, 'by', '操作人 '), ago(t), because(t)),
  gate_unconfirmed: (t) =>
    join(say(' is not confirmed', ' 未确认'), by(t, 'by role', '角色 '), forLong(t), due(t)),
  held: (t) => join(say(' has been held', ' 被挂起'), by(t, 'by', '操作人 '), forLong(t), because(t)),
  interface_failed: (t) => join(say(' was not loaded: it failed', ' 接口装载失败'), ago(t), failedBecause(t)),
  interface_late: (t) =>
    join(say(' is an interface that has not been loaded', ' 接口未装载完成'), forLong(t), due(t)),
  interface_not_configured: (t) =>
    say(
      ` is not loaded by the loading platform: it is missing in ${t.by ?? ''}`,
      ` 未配置装载：配置表 ${t.by ?? ''} 中没有该接口`,
    ),
  interface_not_due: (t) => join(say(' is an interface that is not due yet', ' 接口未到时间'), inTime(t)),
  lock_held: (t) =>
    join(say(' waits', ' 等待锁'), forLong(t), by(t, 'for a lock that is held by', '被占用：'), freeIn(t)),
  loop: (t) =>
    t.members.length < 2
      ? say(' waits for itself', ' 依赖自身')
      : say(
          ` is in a loop: ${[...t.members, t.members[0]].join(' -> ')}`,
          ` 处于互相依赖的环中：${[...t.members, t.members[0]].join(' -> ')}`,
        ),
  no_fitting_agent: (t) =>
    join(
      say(' waits', ' 等待代理'),
      forLong(t),
      say(`; no agent has the labels ${t.reason ?? ''}`, `；没有代理具有标签 ${t.reason ?? ''}`),
    ),
  no_free_slot: (t) =>
    join(say(' waits', ' 等待空闲槽位'), forLong(t), by(t, 'for a free slot of', '代理 '), freeIn(t)),
  no_live_agent: (t) =>
    join(
      say(' waits', ' 等待代理'),
      forLong(t),
      by(t, 'and no agent is alive on platform', '平台无存活代理：'),
    ),
  no_progress: (t) =>
    join(
      say(' waits; nothing has ended', ' 等待中；平台无任何完成'),
      by(t, 'on platform', '平台 '),
      forLong(t),
    ),
  not_in_catalogue: (t) =>
    t.reason === null
      ? say(' is no flow of the catalogue', ' 不在流程目录中')
      : say(
          ` is no flow of the catalogue; did you mean ${t.reason}?`,
          ` 不在流程目录中；是否指 ${t.reason}？`,
        ),
  not_in_run: (t) => join(say(' is not part of this run', ' 不属于该运行'), because(t)),
  not_triggered: (t) =>
    join(say(' has been ready and waits to be triggered', ' 已就绪，等待人工触发'), forLong(t)),
  other_run: (t) => join(say(' has not ended in another run', ' 在其他运行中未完成'), by(t, '', '')),
  outcome_unknown: (t) =>
    join(
      say(' lost its agent', ' 代理失联'),
      by(t, '', ''),
      ago(t),
      say('; whether it ran has to be resolved', '，是否已执行需人工裁定'),
    ),
  paused: (t) =>
    join(say(' waits', ' 等待'), forLong(t), by(t, 'during the pause of', '已暂停：'), because(t)),
  pool_full: (t) =>
    join(say(' waits', ' 等待'), forLong(t), by(t, 'for the pool', '资源池 '), because(t), freeIn(t)),
  previous_attempt_ending: (t) =>
    join(
      say(' waits for the end of its previous attempt', ' 等待上一次执行结束'),
      by(t, 'on', '代理 '),
      forLong(t),
    ),
  procedure_excluded: () =>
    say(' is not among the procedures that the run was opened for', ' 不在该运行所打开的规程之内'),
  processes_survive: (t) =>
    join(
      say(' is to end, and its program has lived on', ' 应结束，但其程序仍在运行'),
      forLong(t),
      by(t, 'in spite of KILL:', '无法终止的进程：'),
    ),
  rerun_pending: (t) => join(say(' is about to be rerun', ' 即将重跑'), forLong(t)),
  retired: (t) => join(say(' was retired', ' 已下线'), by(t, 'by', '操作人 '), ago(t), because(t)),
  retry_backoff: (t) =>
    join(say(' failed', ' 执行失败'), ago(t), say(' and is tried again', '，将重试'), inTime(t), because(t)),
  room_kept: (t) =>
    join(say(' waits', ' 等待'), forLong(t), by(t, 'while room is kept for', '资源已预留给 '), because(t)),
  run_closed: (t) => join(say(' is closed', ' 已关闭'), forLong(t)),
  run_frozen: (t) => join(say(' is frozen', ' 已冻结，等待人工处理'), because(t)),
  run_not_opened: (t) => join(say(' was not opened', ' 尚未打开'), because(t)),
  schedule_not_reached: (t) => join(say(' starts at a later time', ' 未到启动时间'), inTime(t)),
  schedule_shifted: (t) =>
    join(say(' was not opened: a blackout moved it', ' 尚未打开：因维护窗口顺延'), because(t)),
  sent_to_agent: (t) => join(say(' was sent', ' 已下发'), by(t, 'to', '代理 '), ago(t)),
  tasktracker_hung: (t) =>
    join(
      say(' waits', ' 等待代理'),
      forLong(t),
      by(t, 'while agents are idle and take nothing:', '代理空闲却不取任务：'),
    ),
  upstream_failed: (t) => join(say(' failed', ' 执行失败'), ago(t), failedBecause(t)),
  upstream_running: (t) =>
    join(say(' has been running', ' 正在执行'), by(t, 'on', '代理 '), forLong(t), usually(t)),
  upstream_running_long: (t) =>
    join(
      say(' is taking too long: it has been running', ' 执行时间过长'),
      by(t, 'on', '代理 '),
      forLong(t),
      usually(t),
    ),
  waiting_agent: (t) => join(say(' waits for an agent', ' 等待代理'), forLong(t)),
};

export function sentenceOf(code: CauseCode, told: Told): Sentence {
  const { en, zh } = join(told.subject, PREDICATES[code](told));
  // What was said may bring an end of its own.
  return { en: /[.?!。？！…]$/.test(en) ? en : `${en}.`, zh: /[.?!。？！…]$/.test(zh) ? zh : `${zh}。` };
}

/** One sentence for each cause, in English and Chinese. Times are spans seen from now: no zone is needed to read them. */

import type { GaveUp } from '../run/run-facts.ts';
import type { FailureKind } from '../run/state.ts';
import { afterSubject, type Sentence } from '../text/sentence.ts';
import type { CauseCode } from './causes.ts';
import type { Condition } from './condition.ts';
import { saidText } from './ending-text.ts';

/** What a sentence may speak of. */
export interface SentenceFacts extends Omit<Condition, 'since' | 'code'> {
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
    // 1 分 40 秒, but 5 分钟.
    zh: shown
      .map(([n, , zh]) => `${n} ${zh}`)
      .join(' ')
      .replace(/分$/, '分钟'),
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

/** What a sentence may take from a condition, in one language; empty where it is not known. Each brings the space or mark before it. */
interface Parts {
  /** ` by WHO`, `（操作员 WHO）`: `before` stands before the name. */
  readonly by: (before: string) => string;
  /** ` for 5 min`, `，已 5 分钟` */
  readonly forLong: string;
  /** ` 5 min ago`; in Chinese it stands before the verb. */
  readonly ago: string;
  /** `, in 10 min`, `，还有 10 分钟` */
  readonly left: string;
  /** When what waits is tried again: ` in 10 min`, `10 分钟后`; `将` where it is not known. */
  readonly later: string;
  /** How far it is to the deadline or the reference time, or past it. */
  readonly due: string;
  /** How long a running flow usually takes: `until` is its start plus that time. */
  readonly usually: string;
  /** When the slot, lock or units should be free: those that hold them should have ended then. */
  readonly freeIn: string;
  /** What was said, in a line: the rest stands in `reason`. */
  readonly because: string;
  /** What a flow that failed for good said last, and that its retry budget is used up. */
  readonly failed: string;
}

function partsOf({
  by,
  since,
  until,
  now,
  reason,
  gaveUp = null,
}: SentenceFacts): Record<'en' | 'zh', Parts> {
  const sinceThen = since === null ? null : span(now - since);
  const ahead = until === null ? null : span(until - now);
  const past = until === null || until >= now ? null : span(now - until);
  const usual = until === null || since === null ? null : span(until - since);
  const said = reason === null ? null : saidText(reason);
  const budget = gaveUp === null ? null : gaveUpText(gaveUp);
  /** A check that stays false says nothing else. */
  const last = gaveUp?.cause === 'false' ? null : said;
  const mark = last === null ? { en: ': ', zh: '：' } : { en: '; ', zh: '；' };
  const en = {
    by: (before: string) => (by === null ? '' : `${before === '' ? '' : ` ${before}`} ${by}`),
    forLong: sinceThen === null ? '' : ` for ${sinceThen.en}`,
    ago: sinceThen === null ? '' : ` ${sinceThen.en} ago`,
    left: ahead === null ? '' : `, in ${ahead.en}`,
    later: ahead === null ? '' : ` in ${ahead.en}`,
    due: past !== null ? `; it was due ${past.en} ago` : ahead !== null ? `; it is due in ${ahead.en}` : '',
    usually: usual === null ? '' : `; it usually takes ${usual.en}`,
    freeIn: ahead === null ? '' : `; it should be free in ${ahead.en}`,
    because: said === null ? '' : `: ${said.en}`,
    failed: `${last === null ? '' : `: ${last.en}`}${budget === null ? '' : `${mark.en}${budget.en}`}`,
  };
  const zh = {
    by: (before: string) => (by === null ? '' : `（${before}${by}）`),
    forLong: sinceThen === null ? '' : `，已 ${sinceThen.zh}`,
    ago: sinceThen === null ? '' : `${sinceThen.zh}前`,
    left: ahead === null ? '' : `，还有 ${ahead.zh}`,
    later: ahead === null ? '将' : `${ahead.zh}后`,
    due: past !== null ? `；已超过应完成时间 ${past.zh}` : ahead !== null ? `；距应完成时间 ${ahead.zh}` : '',
    usually: usual === null ? '' : `；通常需 ${usual.zh}`,
    freeIn: ahead === null ? '' : `；预计 ${ahead.zh}后可用`,
    because: said === null ? '' : `：${said.zh}`,
    failed: `${last === null ? '' : `：${last.zh}`}${budget === null ? '' : `${mark.zh}${budget.zh}`}`,
  };
  return { en, zh };
}

/** What follows the subject and a space. */
const PREDICATES: Record<
  CauseCode,
  (en: Parts, zh: Parts, told: SentenceFacts) => readonly [string, string]
> = {
  agent_hung: (en, zh) => [
    `was sent${en.by('to')}${en.ago} and has not started`,
    `${zh.ago}已下发${zh.by('代理 ')}，一直未启动`,
  ],
  agent_silent: (en, zh, { by }) => [
    `is with the agent ${by}, which has been silent${en.forLong}; the engine acts when its lease is over`,
    `所在代理 ${by} 无响应${zh.forLong}；租约到期后由引擎处理`,
  ],
  agents_drained: (en, zh) => [
    `has waited${en.forLong}${en.by('while every agent is drained:')}`,
    `等待代理${zh.forLong}${zh.by('代理均已排空：')}`,
  ],
  already_ran: (en, zh, { by }) => [`is done: ${by ?? ''}${en.ago}`, `${zh.ago}已完成，结果 ${by ?? ''}`],
  backlog: (en, zh, { by }) =>
    by === null
      ? [`was not opened: an earlier period is open${en.because}`, `尚未打开：之前的账期未完成${zh.because}`]
      : [`has not ended in its earlier period, run ${by}`, `在之前的账期尚未完成（运行 ${by}）`],
  cancelled: (en, zh, told) => [
    `was cancelled${en.by('by')}${en.ago}${en.because}`,
    `${zh.ago}被${nameOf(told)}取消${zh.because}`,
  ],
  check_false: (en, zh, { skips }) =>
    skips
      ? [`said no${en.ago}; it is skipped${en.later}`, `${zh.ago}检查未通过，${zh.later}跳过`]
      : [`said no${en.ago}; it is asked again${en.later}`, `${zh.ago}检查未通过，${zh.later}再次检查`],
  dependency_invalid: () => ['does not exist, but other flows wait for it', '不存在，但有流程依赖它'],
  distribution_failed: (en, zh) => [
    `failed${en.by('on')}${en.ago}${en.failed}`,
    `${zh.ago}分发失败${zh.by('代理 ')}${zh.failed}`,
  ],
  distribution_pending: (en, zh) => [
    `has been copying${en.by('by')}${en.forLong}${en.usually}`,
    `正在分发${zh.by('代理 ')}${zh.forLong}${zh.usually}`,
  ],
  distribution_waiting_import: (en, zh) => [
    `has waited for its import${en.forLong}`,
    `等待入库${zh.forLong}`,
  ],
  engine_pending: (en, zh) => [
    `has its turn, and the coordinator has not acted on it${en.forLong}`,
    `已轮到，协调器尚未处理${zh.forLong}`,
  ],
  event_condition_unmet: (en, zh, { by }) => [
    `has waited for the event ${by ?? ''}${en.forLong}`,
    `等待事件 ${by ?? ''}${zh.forLong}`,
  ],
  fence_held_elsewhere: (en, zh) => [
    `has waited on the platform${en.forLong}${en.by('for the fence of its work, which is held by')}`,
    `在平台上等待${zh.forLong}${zh.by('同一作业被占用：')}`,
  ],
  gate_rejected: (en, zh, told) => [
    `was rejected${en.by('by')}${en.ago}${en.because}`,
    `${zh.ago}被${nameOf(told)}驳回${zh.because}`,
  ],
  gate_unconfirmed: (en, zh, { by }) => [
    `is not confirmed${en.by('by role')}${en.forLong}${en.due}`,
    `等待${by === null ? '人工' : `角色 ${by} `}确认${zh.forLong}${zh.due}`,
  ],
  held: (en, zh, told) => [
    `has been held${en.by('by')}${en.forLong}${en.because}`,
    `被${nameOf(told)}挂起${zh.forLong}${zh.because}`,
  ],
  interface_failed: (en, zh) => [
    `was not loaded: it failed${en.ago}${en.failed}`,
    `${zh.ago}接口装载失败${zh.failed}`,
  ],
  interface_late: (en, zh) => [
    `is an interface that has not been loaded${en.forLong}${en.due}`,
    `接口未装载完成${zh.forLong}${zh.due}`,
  ],
  interface_not_configured: (_en, _zh, { by }) => [
    `is not loaded by the loading platform: it is missing in ${by ?? ''}`,
    `未配置装载：配置表 ${by ?? ''} 中没有该接口`,
  ],
  interface_not_due: (en, zh, { skips }) =>
    skips
      ? [`is skipped when it is due${en.left}`, `接口到时间后跳过${zh.left}`]
      : [`is an interface that is due later${en.left}`, `接口未到时间${zh.left}`],
  lock_held: (en, zh) => [
    `has waited${en.forLong}${en.by('for a lock that is held by')}${en.freeIn}`,
    `等待锁${zh.forLong}${zh.by('被占用：')}${zh.freeIn}`,
  ],
  loop: (_en, _zh, { members }) => {
    if (members.length < 2) return ['waits for itself', '依赖自身'];
    const round = [...members, members[0]].join(' -> ');
    return [`is in a loop: ${round}`, `处于循环依赖中：${round}`];
  },
  no_fitting_agent: (en, zh, { reason }) => [
    `has waited${en.forLong}; no agent has the labels ${reason ?? ''}`,
    `等待代理${zh.forLong}；没有代理具备标签 ${reason ?? ''}`,
  ],
  no_free_slot: (en, zh) => [
    `has waited${en.forLong}${en.by('for a free slot of')}${en.freeIn}`,
    `等待空闲槽位${zh.forLong}${zh.by('代理 ')}${zh.freeIn}`,
  ],
  no_live_agent: (en, zh, { by }) => [
    `has waited${en.forLong}${en.by('and no agent is alive on platform')}`,
    `等待代理${zh.forLong}${by === null ? '' : `（平台 ${by} 没有存活的代理）`}`,
  ],
  no_progress: (en, zh, told) => [
    `waits; nothing has ended${en.by('on platform')}${en.forLong}`,
    `等待中；平台${nameOf(told)}上没有程序结束${zh.forLong}`,
  ],
  not_in_catalogue: (_en, _zh, { reason }) =>
    reason === null
      ? ['is not in the catalogue', '不在流程目录中']
      : [`is not in the catalogue; did you mean ${reason}?`, `不在流程目录中；是否指 ${reason}？`],
  not_in_run: (en, zh) => [`is not part of this run${en.because}`, `不属于该运行${zh.because}`],
  not_triggered: (en, zh) => [
    `is ready and has waited to be triggered${en.forLong}`,
    `已就绪，等待人工触发${zh.forLong}`,
  ],
  other_run: (en, zh) => [`has not ended in another run${en.by('')}`, `在其他运行中未完成${zh.by('')}`],
  outcome_unknown: (en, zh, { by }) => [
    `lost its agent${en.by('')}${en.ago}; a person has to resolve whether it ran`,
    `所在代理 ${by === null ? '' : `${by} `}${zh.ago}失联，是否已执行需人工裁定`,
  ],
  paused: (en, zh) => [
    `has waited${en.forLong}${en.by('during the pause of')}${en.because}`,
    `等待${zh.forLong}${zh.by('已暂停：')}${zh.because}`,
  ],
  pool_full: (en, zh, { by }) => [
    `has waited${en.forLong}${en.by('for the pool')}${en.because}${en.freeIn}`,
    `等待资源池 ${by ?? ''}${zh.forLong}${zh.because}${zh.freeIn}`,
  ],
  previous_attempt_ending: (en, zh) => [
    `has waited for the end of its previous attempt${en.by('on')}${en.forLong}`,
    `等待上一次执行结束${zh.by('代理 ')}${zh.forLong}`,
  ],
  procedure_excluded: () => [
    'is not among the procedures that the run was opened for',
    '所属规程不在该运行的打开范围内',
  ],
  processes_survive: (en, zh) => [
    `is to end, and its program has lived on${en.forLong}${en.by('in spite of KILL:')}`,
    `本应结束，程序却仍在运行${zh.forLong}${zh.by('无法终止的进程：')}`,
  ],
  rerun_pending: (en, zh) => [`has waited to be rerun${en.forLong}`, `等待重跑${zh.forLong}`],
  retired: (en, zh, told) => [
    `was retired${en.by('by')}${en.ago}${en.because}`,
    `${zh.ago}被${nameOf(told)}下线${zh.because}`,
  ],
  retry_backoff: (en, zh, { skips }) =>
    skips
      ? [
          `failed${en.ago} and is skipped${en.later}${en.because}`,
          `${zh.ago}执行失败，${zh.later}跳过${zh.because}`,
        ]
      : [
          `failed${en.ago} and is tried again${en.later}${en.because}`,
          `${zh.ago}执行失败，${zh.later}重试${zh.because}`,
        ],
  room_kept: (en, zh) => [
    `has waited${en.forLong}${en.by('while room is kept for')}${en.because}`,
    `等待${zh.forLong}${zh.by('资源已预留给 ')}${zh.because}`,
  ],
  run_closed: (en, zh) => [`has been closed${en.forLong}`, `处于关闭状态${zh.forLong}`],
  run_frozen: (en, zh) => [`is frozen${en.because}`, `已冻结，等待人工处理${zh.because}`],
  run_not_opened: (en, zh) => [`was not opened${en.because}`, `尚未打开${zh.because}`],
  schedule_not_reached: (en, zh, { skips }) =>
    skips
      ? [`is skipped when its start time comes${en.left}`, `到启动时间后跳过${zh.left}`]
      : [`starts later${en.left}`, `未到启动时间${zh.left}`],
  schedule_shifted: (en, zh) => [
    `was not opened: a blackout moved it${en.because}`,
    `因维护窗口顺延，尚未打开${zh.because}`,
  ],
  sent_to_agent: (en, zh) => [`was sent${en.by('to')}${en.ago}`, `${zh.ago}已下发${zh.by('代理 ')}`],
  tasktracker_hung: (en, zh) => [
    `has waited${en.forLong}${en.by('while agents are idle and take nothing:')}`,
    `等待代理${zh.forLong}${zh.by('代理空闲却不领取：')}`,
  ],
  upstream_failed: (en, zh) => [`failed${en.ago}${en.failed}`, `${zh.ago}执行失败${zh.failed}`],
  upstream_running: (en, zh) => [
    `has been running${en.by('on')}${en.forLong}${en.usually}`,
    `正在执行${zh.by('代理 ')}${zh.forLong}${zh.usually}`,
  ],
  upstream_running_long: (en, zh) => [
    `is taking too long: it has been running${en.by('on')}${en.forLong}${en.usually}`,
    `执行时间过长${zh.by('代理 ')}${zh.forLong}${zh.usually}`,
  ],
  waiting_agent: (en, zh) => [`has waited for an agent${en.forLong}`, `等待代理${zh.forLong}`],
};

/** A name within a Chinese sentence, with a space on either side. */
const nameOf = ({ by }: SentenceFacts): string => (by === null ? '' : ` ${by} `);

/** The sentence of a cause in both languages. */
export function sentenceOf(code: CauseCode, told: SentenceFacts): Sentence {
  const parts = partsOf(told);
  const [en, zh] = PREDICATES[code](parts.en, parts.zh, told);
  const { subject } = told;
  return { en: ended(`${subject.en} ${en}`, '.'), zh: ended(afterSubject(subject.zh, zh), '。') };
}

/** What was said may bring an end of its own. */
const ended = (text: string, mark: string): string => (/[.?!。？！…]$/.test(text) ? text : `${text}${mark}`);

/** Kinds of pieces of a critical path and of parts of a lateness in both languages; a test holds them to the API's lists. */
import type { Lang } from './phrases.ts';

// biome-ignore format: a table
export const KINDS: Readonly<Record<string, readonly [en: string, zh: string]>> = {
  run: ['run', '运行'],
  failed_attempt: ['failed attempt', '失败的执行'],
  retry_backoff: ['retry back-off', '重试等待'],
  waiting_agent: ['waiting for agent', '等待代理'],
  waiting_pool: ['waiting for pool', '等待资源池'],
  waiting_lock: ['waiting for lock', '等待锁'],
  held: ['held', '挂起'],
  manual_start: ['manual start', '手工启动'],
  waiting_time: ['waiting for time', '等待时间'],
  waiting_person: ['waiting for person', '等待人工'],
  other_run: ['waiting for another run', '等待其他运行'],
  paused: ['paused', '暂停'],
  rework: ['rework', '返工'],
  engine: ['engine', '引擎'],
  new: ['new flow', '新增流程'],
  float: ['room at the join', '汇合余量'],
  opening: ['opening of the run', '运行打开'],
};

export const kindText = (kind: string, lang: Lang): string =>
  KINDS[kind]?.[lang === 'zh' ? 1 : 0] ?? kind.replaceAll('_', ' ');

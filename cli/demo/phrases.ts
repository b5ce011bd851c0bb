/** What the demo says while it goes on, in both languages side by side. */
import { phrasesOf } from '../text/phrases.ts';

// biome-ignore format: a table
const TELL = {
  opened: ['{actor} opens {run}: {flows} flows', '{actor} 打开 {run}：{flows} 个流程'],
  exists: ['{run} is there already; the demo goes on where it stands', '{run} 已存在，演示从现状继续'],
  finished_before: ['{run} is finished already; nothing is done again', '{run} 早已完成，不再重复'],
  withheld: ['trouble: {rows} source rows of {flow} are taken away', '故障：取走 {flow} 的 {rows} 行源数据'],
  early: ['{flow} confirms early: the region was not called yet', '{flow} 提前确认：尚未通知该区域'],
  confirmed: ['{n} confirmed as their turn comes: {flows}', '轮到时确认 {n} 项：{flows}'],
  triggered: ['{flow} triggered by hand', '手工触发 {flow}'],
  refused: ['force-pass of {flow} by {actor} is refused: {status} {code}', '{actor} 强制通过 {flow} 被拒绝：{status} {code}'],
  carried_over: ['{rows} account items of last month are carried over, so that programs can begin early', '沿用上月账单科目 {rows} 行，使程序可提前开始'],
  started_now: ['started now, without waiting for {upstream}: {flows}', '不等 {upstream}，立即启动：{flows}'],
  downstream_again: ['{flows} run again with {flow} (generation 2)', '{flows} 随 {flow} 重跑（第 2 代）'],
  failed: ['{flow} fails: {message}', '{flow} 失败：{message}'],
  why: ['why has {flow} not run?', '{flow} 为何未运行？'],
  late: ['{flow} confirms late: everything of P01 had waited for it', '{flow} 迟到确认：P01 一直在等它'],
  supplied: ['the data is fixed: {rows} rows are back', '数据已修复：恢复 {rows} 行'],
  planned: ['rerun of {flow} with everything downstream is planned', '{flow} 重做后续的方案：'],
  applied: ['the plan is applied', '方案已执行'],
  force_passed: ['{flow} force-passed: its table came by distribution', '强制通过 {flow}：其数据表已由分发提供'],
  finished: ['{run} is finished after {took}', '{run} 完成，用时 {took}'],
  all_good: ['all is as it should be ({n} checks)', '全部符合预期（{n} 项检查）'],
  problem: ['not as it should be: {problem}', '不符合预期：{problem}'],
  sum_states: ['states', '状态'],
  sum_forced: ['force-passed', '强制通过'],
  sum_tainted: ['tainted', '受影响'],
  sum_stale: ['stale', '过时'],
  sum_reruns: ['redone', '重做'],
  sum_refused: ['refused', '被拒绝'],
  none: ['none', '无'],
} as const satisfies Record<string, readonly [en: string, zh: string]>;

export type TellKey = keyof typeof TELL;
export const tellPhrases = phrasesOf<TellKey>(TELL);

/** The messages of the demo in both languages side by side. */
import { phrasesOf } from '../text/phrases.ts';

// biome-ignore format: a table
const NARRATION = {
  opened: ['{actor} opens {run} with {flows} flows', '{actor} 打开 {run}，共 {flows} 个流程'],
  exists: ['{run} exists already; the demo continues from its present state', '{run} 已存在，演示从现状继续'],
  finished_before: ['{run} is finished already; nothing is repeated', '{run} 已完成，不再重复'],
  withheld: ['trouble: {rows} source rows of {flow} are removed', '故障：取走 {flow} 的 {rows} 行源数据'],
  early: ['{flow} is confirmed early, before its turn', '{flow} 提前确认（尚未轮到）'],
  confirmed: ['{n} confirmed when their turn came: {flows}', '轮到时确认 {n} 项：{flows}'],
  triggered: ['{flow} triggered by hand', '手工触发 {flow}'],
  refused: ['force-pass of {flow} by {actor} is refused: {status} {code}', '{actor} 强制通过 {flow} 被拒绝：{status} {code}'],
  carried_over: ['{rows} account items of last month are copied, so that programs can start early', '沿用上月账单科目 {rows} 行，使程序可提前开始'],
  started_now: ['started now without waiting for {upstream}: {flows}', '不等 {upstream}，立即启动：{flows}'],
  downstream_again: ['{flows} run again after {flow} (generation 2)', '{flows} 随 {flow} 重跑（第 2 代）'],
  failed: ['{flow} fails: {message}', '{flow} 失败：{message}'],
  why: ['why has {flow} not run?', '{flow} 为何未运行？'],
  late: ['{flow} is confirmed late: all of P01 was waiting for it', '{flow} 确认较晚：P01 的其余流程一直在等它'],
  supplied: ['the data is repaired: {rows} rows are back', '数据已修复：恢复 {rows} 行'],
  planned: ['plan: rerun {flow} and everything downstream', '{flow} 重做后续的方案：'],
  applied: ['the plan is carried out', '方案已执行'],
  force_passed: ['{flow} force-passed: a distribution has delivered its table', '强制通过 {flow}：其数据表已由分发提供'],
  finished: ['{run} finished in {took}', '{run} 完成，用时 {took}'],
  rule_enabled: ['the rule {rule} may act from now on', '规则 {rule} 已启用'],
  corrected: ['the source {table} is corrected: {n} flows have used its old rows: {flows}', '源表 {table} 已修正：{n} 个流程用过旧数据：{flows}'],
  rule_asks: ['the rule asks before it redoes key flows: {flows}; it is approved', '规则请求批准重做重点流程：{flows}；已批准'],
  carried: ['the correction of {table} is carried downstream: {n} flows redone once, {spared} spared, in {took}', '{table} 的修正已向下传递：重做 {n} 个流程各一次，{spared} 个无需重做，用时 {took}'],
  all_good: ['everything as expected ({n} checks)', '全部符合预期（{n} 项检查）'],
  problem: ['not as expected: {problem}', '不符合预期：{problem}'],
  sum_states: ['states', '状态'],
  sum_forced: ['force-passed', '强制通过'],
  sum_tainted: ['tainted', '受影响'],
  sum_stale: ['stale', '过时'],
  sum_reruns: ['redone', '重做'],
  sum_refused: ['refused', '被拒绝'],
  none: ['none', '无'],
} as const satisfies Record<string, readonly [en: string, zh: string]>;

export type NarrationKey = keyof typeof NARRATION;
export const narration = phrasesOf<NarrationKey>(NARRATION);

/** Where an expected duration or a reference time is from, in words. `{n}`: of how many. */
import type { FlowDetail } from '../../contract/flows.ts';
import type { Lang } from './phrases.ts';

type Known = NonNullable<FlowDetail['reference']>['origin'];
type Origin = NonNullable<FlowDetail['expected']>['origin'] | Exclude<Known, 'default'> | 'month';

// biome-ignore format: a table
const ORIGINS: Readonly<Record<Origin, readonly [en: string, zh: string]>> = {
  alike: ['learned from {n} flows like it', '由 {n} 个同类流程得出'],
  class: ['learned from {n} periods like this one', '由 {n} 个同类账期得出'],
  configured: ['configured', '已配置'],
  deadline: ['its deadline', '截止时间'],
  default: ['nothing is known', '无依据，取缺省值'],
  few: ['learned from {n} runs only', '仅由 {n} 次运行得出'],
  learned: ['learned from {n} periods', '由 {n} 个账期得出'],
  month: ['month flows are due by the end of the 7th', '月流程默认在 7 日结束前完成'],
  own: ['learned from {n} runs', '由 {n} 次运行得出'],
};

export const originText = (origin: Origin, n: number, lang: Lang): string =>
  ORIGINS[origin][lang === 'en' ? 0 : 1].replace('{n}', String(n));

/** Where a reference time is from, in words. A default is that of month flows: no other flow has a default reference time. */
export const referenceOriginText = (origin: Known, n: number, lang: Lang): string =>
  originText(origin === 'default' ? 'month' : origin, n, lang);

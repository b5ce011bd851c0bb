/** Words of the picture of a run, in both languages side by side. */
import { phrasesOf } from '../../text/phrases.ts';

// biome-ignore format: a table
const WORDS = {
  total: ['{flows} flows in {took}', '{flows} 个流程，用时 {took}'],
  path: ['critical path', '关键路径'],
  running: ['program runs', '程序运行'],
  waiting: ['waits for a person', '等待人工'],
  failed: ['failed', '失败'],
  forced: ['force-passed', '强制通过'],
  replaced: ['redone by a rerun', '已由重跑取代'],
} as const satisfies Record<string, readonly [en: string, zh: string]>;

export const pictureWords = phrasesOf<keyof typeof WORDS>(WORDS);

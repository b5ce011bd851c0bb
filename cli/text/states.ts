/** States and flags of flows in both languages, with the sign and colour that stand beside the word. */
import type { StateName } from '../../contract/fields.ts';
import type { FlowFlag } from '../../contract/flows.ts';
import type { Colour } from './colour.ts';
import type { Lang } from './phrases.ts';

type State = (typeof StateName)['_output'];

interface Shown {
  readonly sign: string;
  readonly colour: Colour;
  readonly zh: string;
}

export const STATES: Readonly<Record<State, Shown>> = {
  succeeded: { sign: '✓', colour: 'green', zh: '成功' },
  failed: { sign: '✗', colour: 'red', zh: '失败' },
  cancelled: { sign: '✗', colour: 'red', zh: '已取消' },
  skipped: { sign: '»', colour: 'yellow', zh: '已跳过' },
  force_passed: { sign: '!', colour: 'yellow', zh: '强制通过' },
  outcome_unknown: { sign: '?', colour: 'red', zh: '结果未知' },
  retired: { sign: '-', colour: 'dim', zh: '已下线' },
  running: { sign: '>', colour: 'cyan', zh: '运行中' },
  sent_to_agent: { sign: '>', colour: 'cyan', zh: '已下发' },
  not_triggered: { sign: '.', colour: 'dim', zh: '未触发' },
  held: { sign: '=', colour: 'magenta', zh: '挂起' },
  waiting_upstream: { sign: '.', colour: 'dim', zh: '等待前置' },
  waiting_time: { sign: '.', colour: 'dim', zh: '等待时间' },
  waiting_person: { sign: 'o', colour: 'blue', zh: '等待人工' },
  waiting_agent: { sign: '.', colour: 'blue', zh: '等待代理' },
};

const FLAGS_ZH: Readonly<Record<FlowFlag, string>> = {
  held: '挂起',
  skip: '将跳过',
  expedite: '加急',
  confirmed: '已确认',
  tainted: '受影响',
  stale: '过时',
  stopping: '停止中',
  ending: '收尾中',
  rerun_pending: '待重跑',
  rerun_member: '重跑中',
  started_now: '立即启动',
  excluded: '未包含',
};

const look = (state: string): Shown => STATES[state as State] ?? { sign: ' ', colour: 'dim', zh: state };

/** The word itself in English: it is what `--state` takes. */
export const stateWord = (state: string, lang: Lang): string => (lang === 'zh' ? look(state).zh : state);
export const stateText = (state: string, lang: Lang): string =>
  `${look(state).sign} ${stateWord(state, lang)}`;
export const stateColour = (state: string): Colour => look(state).colour;
export const flagText = (flag: string, lang: Lang): string =>
  lang === 'zh' ? (FLAGS_ZH[flag as FlowFlag] ?? flag) : flag;

/** The table of verbs, and in which states each is allowed (protocol E1), as data: used by the engine, the API (`GET /verbs`) and the command line. */
import type { EdgeVerb, FlowVerb, RunVerb, Verb } from '../run/decisions.ts';
import { NOT_STARTED, type State } from '../run/status.ts';

export interface VerbRule {
  readonly verb: Verb;
  readonly zh: string;
  readonly target: 'flow' | 'edge' | 'run' | 'plan';
  /** States of the flow (of an edge: of its target) in which the verb is allowed. */
  readonly allowedIn: readonly State[];
  /** Further states in which it is allowed with `supersede: true`. */
  readonly withSupersede: readonly State[];
  readonly needsReason: boolean;
  readonly needsEvidence: boolean;
  /** Only for flows that a person confirms. */
  readonly onlyPerson: boolean;
  readonly downstream: string;
  readonly atNewGeneration: 'ends' | 'kept' | 'per onRerun' | 'lapses' | '-';
}

const rule = (
  verb: Verb,
  zh: string,
  allowedIn: readonly State[],
  rest: Partial<Omit<VerbRule, 'verb' | 'zh' | 'allowedIn'>> = {},
): VerbRule => ({
  verb,
  zh,
  target: 'flow',
  allowedIn,
  withSupersede: [],
  needsReason: true,
  needsEvidence: false,
  onlyPerson: false,
  downstream: '-',
  atNewGeneration: '-',
  ...rest,
});

const started: readonly State[] = ['sent_to_agent', 'running'];
const ns = NOT_STARTED;

const list: readonly VerbRule[] = [
  rule('force-pass', '强制通过', [...ns, 'failed', 'cancelled', 'outcome_unknown'], {
    withSupersede: started,
    needsEvidence: true,
    downstream: 'freed now, tainted',
    atNewGeneration: 'ends',
  }),
  rule('skip', '跳过', ns, { downstream: 'freed when its turn comes, tainted', atNewGeneration: 'ends' }),
  rule('unskip', '取消跳过', ns),
  rule('waive', '豁免依赖', ns, { target: 'edge', atNewGeneration: 'lapses' }),
  rule('unwaive', '取消豁免', ns, { target: 'edge' }),
  rule('start-now', '立即启动', ['not_triggered', 'waiting_upstream', 'waiting_time'], {
    downstream: 'result tainted if an edge was set aside',
    atNewGeneration: 'ends',
  }),
  rule('trigger', '触发', ['not_triggered'], {
    needsReason: false,
    downstream: 'per onTrigger',
    atNewGeneration: 'per onRerun',
  }),
  rule('hold', '挂起', ns, { downstream: 'waits', atNewGeneration: 'kept' }),
  rule('unhold', '解挂', ns, { needsReason: false }),
  rule('expedite', '加急', ns, { atNewGeneration: 'ends' }),
  rule('cancel', '取消执行', started, { downstream: 'not freed' }),
  rule('confirm', '确认', ns, {
    onlyPerson: true,
    needsReason: false,
    downstream: 'freed when its turn comes',
    atNewGeneration: 'per onRerun',
  }),
  rule('reject', '驳回', ns, { onlyPerson: true }),
  rule('withdraw', '撤回确认', ns, { onlyPerson: true }),
  rule('resolve', '裁定结果', ['outcome_unknown'], { downstream: 'as for that result' }),
  rule('retire', '下线', [...ns, 'failed', 'cancelled'], {
    downstream: 'blocked: dependency_invalid',
    atNewGeneration: 'kept',
  }),
  rule('unretire', '恢复上线', ['retired'], { needsReason: false }),
  rule('rerun', '重跑', ['succeeded', 'skipped', 'force_passed', 'failed', 'cancelled', ...started], {
    target: 'plan',
    downstream: 'as planned',
  }),
  rule('pause', '暂停', [], { target: 'run' }),
  rule('resume', '继续', [], { target: 'run', needsReason: false }),
  rule('close', '关闭', [], { target: 'run' }),
  rule('reopen', '重新打开', [], { target: 'run' }),
];

export const VERBS: ReadonlyMap<Verb, VerbRule> = new Map(list.map((r) => [r.verb, r]));

export const FLOW_VERBS: readonly FlowVerb[] = list
  .filter((r) => r.target === 'flow')
  .map((r) => r.verb as FlowVerb);
export const EDGE_VERBS: readonly EdgeVerb[] = ['waive', 'unwaive'];
export const RUN_VERBS: readonly RunVerb[] = ['pause', 'resume', 'close', 'reopen'];

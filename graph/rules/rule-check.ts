/** Checks the rules of a catalogue (protocol F1): fields that belong together, and the names that they use. */
import { type Cycle, type Flow, Layer, type Rule } from '../model.ts';
import { type CheckReference, type Finding, finding, type Path } from '../text/problems.ts';
import type { Sentence } from '../text/sentence.ts';

/** What the flows of a catalogue have: names for `where`. */
interface Known {
  readonly flows: ReadonlyMap<string, unknown>;
  readonly procedures: ReadonlyMap<string, unknown>;
  readonly groups: ReadonlyMap<string, unknown>;
  readonly layers: ReadonlyMap<string, unknown>;
  readonly platforms: ReadonlyMap<string, unknown>;
}
type List = keyof Known;

const WHAT: Readonly<Record<List, Sentence>> = {
  flows: { en: 'flow', zh: '流程' },
  procedures: { en: 'procedure', zh: '规程' },
  groups: { en: 'group among the flows', zh: '流程分组' },
  layers: { en: 'layer', zh: '分层' },
  platforms: { en: 'platform among the flows', zh: '流程所用平台' },
};
const LISTS = Object.keys(WHAT) as List[];

type Checked = Pick<Flow, 'id' | 'procedure' | 'groups' | 'layer' | 'platform'> & { readonly cycle: Cycle };

/** Whether a rule looks at the flow. */
export function isWhere(
  { flows, procedures, groups, layers, platforms }: Rule['where'],
  flow: Pick<Flow, 'id' | 'procedure' | 'groups' | 'layer' | 'platform'>,
): boolean {
  const has = (list: readonly string[], name: string | undefined): boolean =>
    list.length === 0 || (name !== undefined && list.includes(name));
  return (
    has(flows, flow.id) &&
    has(procedures, flow.procedure) &&
    (groups.length === 0 || flow.groups.some((group) => groups.includes(group))) &&
    has(layers, flow.layer) &&
    has(platforms, flow.platform)
  );
}

/** O(rules x flows), and only for rules that narrow their flows. */
export function checkRules(
  rules: readonly Rule[],
  flows: readonly Checked[],
  procedures: readonly { readonly id: string }[],
  { problems, reference }: { problems: Finding[]; reference: CheckReference },
): void {
  if (rules.length === 0) return;
  const known: Known = {
    flows: named(flows.map(({ id }) => id)),
    procedures: named(procedures.map(({ id }) => id)),
    groups: named(flows.flatMap(({ groups }) => groups)),
    layers: named(Layer.options),
    platforms: named(flows.flatMap(({ platform }) => platform ?? [])),
  };
  rules.forEach((rule, i) => {
    const path = ['rules', i];
    problems.push(...fieldProblems(rule, path));
    const before = problems.length;
    for (const list of LISTS)
      rule.where[list].forEach((name, k) => {
        reference(known[list], name, WHAT[list], { id: rule.id, path: [...path, 'where', list, k] });
      });
    if (problems.length > before || flows.length === 0 || flows.some((flow) => isWhere(rule.where, flow)))
      return;
    const en = 'no flow fits all lists of where: the rule never does anything';
    const at = [...path, 'where'];
    const zh = '没有流程同时符合 where 的全部条件：规则永不生效';
    problems.push(finding('bad_combination', { id: rule.id, path: at }, { en, zh }, { severity: 'warning' }));
  });
}

const named = (names: readonly string[]): ReadonlyMap<string, true> =>
  new Map(names.map((name) => [name, true]));

/** Fields that exclude one another. */
function fieldProblems(rule: Rule, path: Path): Finding[] {
  const { id, on, causes, failures, limits } = rule;
  const found: Finding[] = [];
  const bad = (at: Path, en: string, zh: string): void => {
    found.push(finding('bad_combination', { id, path: [...path, ...at] }, { en, zh }));
  };
  const { window } = limits;
  if (window !== undefined && window.slice(0, 5) === window.slice(6))
    bad(
      ['limits', 'window'],
      'the window begins and ends at the same time; leave it out if the rule may always act',
      '时间窗的起止相同；不限时间请省略',
    );
  if (on === 'cause') {
    if (rule.do !== 'retry') bad(['do'], 'on: cause goes with do: retry', 'on: cause 须配合 do: retry');
    if (rule.scope !== 'stale')
      bad(
        ['scope'],
        'a retry runs the failed flow alone: leave scope out',
        '重试只重做失败流程本身：请省略 scope',
      );
    if (causes === undefined || causes.length === 0)
      bad(
        ['on'],
        'on: cause needs the causes, such as causes: [upstream_failed]',
        'on: cause 须列出 causes，如 causes: [upstream_failed]',
      );
    return found;
  }
  if (rule.do === 'retry') bad(['do'], 'do: retry goes with on: cause only', 'do: retry 只能配合 on: cause');
  if (causes !== undefined) bad(['causes'], 'causes goes with on: cause only', 'causes 只能配合 on: cause');
  if (failures !== undefined)
    bad(['failures'], 'failures goes with on: cause only', 'failures 只能配合 on: cause');
  return found;
}

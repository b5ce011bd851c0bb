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
function fieldProblems({ id, limits: { window } }: Rule, path: Path): Finding[] {
  if (window === undefined || window.slice(0, 5) !== window.slice(6)) return [];
  const en = 'the window begins and ends at the same time; leave it out if the rule may always act';
  const zh = '时间窗的起止相同；不限时间请省略';
  return [finding('bad_combination', { id, path: [...path, 'limits', 'window'] }, { en, zh })];
}

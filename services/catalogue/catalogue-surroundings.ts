/** Compares a catalogue with this installation: its agents, and the people who could confirm. */
import type { CheckedCatalogue } from '../../graph/catalogue/check.ts';
import { placed } from '../../graph/catalogue/parse.ts';
import { type KnownNames, spellings } from '../../graph/catalogue/spelling.ts';
import type { Flow } from '../../graph/model.ts';
import { type Finding, hint, type Path, type Problem } from '../../graph/text/problems.ts';
import { labelsOfAgents } from '../../store/agents/agent-list.ts';
import { rolesOfPeople } from '../../store/operations/actors.ts';
import type { Queryable } from '../../store/schema/pool.ts';

export interface KnownAgentsAndRoles {
  /** Platforms and labels of all agents that ever said hello. */
  readonly agents: readonly { readonly platform: string; readonly labels: readonly string[] }[];
  /** Roles that people have who are not disabled. */
  readonly roles: ReadonlySet<string>;
}

export async function readSurroundings(client: Queryable): Promise<KnownAgentsAndRoles> {
  const agents = await labelsOfAgents(client);
  return { agents, roles: new Set(await rolesOfPeople(client)) };
}

type Checked = Pick<CheckedCatalogue, 'catalogue' | 'flows' | 'locate'>;

/** Warnings, one for each platform, set of labels or role, at the first flow that it concerns. O(flows + agents). */
export function surroundingProblems(checked: Checked, around: KnownAgentsAndRoles | null): Problem[] {
  const { catalogue, flows, locate } = checked;
  const known: KnownNames =
    around === null
      ? {}
      : {
          platform: around.agents.map(({ platform }) => platform),
          label: around.agents.flatMap(({ labels }) => labels),
          role: around.roles,
        };
  const found = spellings(catalogue, flows, known);
  if (around !== null) {
    const alike = new Set(found.map(({ path }) => JSON.stringify(path)));
    const more = [
      ...platformsWithoutAgent(checked, around),
      ...labelsWithoutAgent(checked, around),
      ...rolesWithoutPerson(checked, around),
    ];
    // `spellings` has reported a name that differs from a known one in case only.
    found.push(...more.filter(({ path }) => !alike.has(JSON.stringify(path))));
  }
  return found.map((finding) => placed(finding, locate(finding.path, finding.at)));
}

/** Flows by what `keyOf` says, with the place of the first. */
function firstOf(
  { catalogue, flows }: Checked,
  keyOf: (flow: Flow) => string | undefined,
): Map<string, { flow: Flow; path: Path; flows: number }> {
  const first = new Map<string, { flow: Flow; path: Path; flows: number }>();
  const written = catalogue.flows.length;
  flows.forEach((flow, i) => {
    const key = keyOf(flow);
    if (key === undefined) return;
    const entry = first.get(key);
    if (entry !== undefined) entry.flows++;
    // The halves of a distribution are written in one entry.
    else
      first.set(key, {
        flow,
        path: i < written ? ['flows', i] : ['distributions', (i - written) >> 1],
        flows: 1,
      });
  });
  return first;
}

const warning = (code: Finding['code'], id: string, path: Path, en: string, zh: string): Finding => ({
  code,
  severity: 'warning',
  message: { en, zh },
  path,
  id,
  at: 'value',
});

function platformsWithoutAgent(checked: Checked, { agents }: KnownAgentsAndRoles): Finding[] {
  if (agents.length === 0) return [];
  const heard = new Set([
    ...agents.map(({ platform }) => platform),
    ...checked.catalogue.connections.map(({ platform }) => platform),
  ]);
  const first = firstOf(checked, ({ runner, platform }) => (runner === 'agent' ? platform : undefined));
  return [...first].flatMap(([platform, { flow, path, flows }]): Finding[] => {
    if (heard.has(platform)) return [];
    const near = hint(platform, heard);
    return [
      warning(
        'unknown_platform',
        flow.id,
        [...path, 'platform'],
        `no agent has ever said that it is of the platform '${platform}' (${flows} flows): they would wait${near.en}`,
        `没有任何代理属于平台 '${platform}'（${flows} 个流程）：这些流程将一直等待${near.zh}`,
      ),
    ];
  });
}

function labelsWithoutAgent(checked: Checked, { agents }: KnownAgentsAndRoles): Finding[] {
  const first = firstOf(checked, ({ runner, platform, labels }) =>
    runner === 'agent' && labels.length > 0 ? `${platform} ${[...labels].sort().join(' ')}` : undefined,
  );
  return [...first.values()].flatMap(({ flow, path, flows }): Finding[] => {
    const own = agents.filter(({ platform }) => platform === flow.platform);
    if (own.length === 0 || own.some(({ labels }) => flow.labels.every((label) => labels.includes(label))))
      return [];
    const carried = new Set(own.flatMap(({ labels }) => labels));
    const missing = flow.labels.findIndex((label) => !carried.has(label));
    const near = missing < 0 ? { en: '', zh: '' } : hint(flow.labels[missing]!, carried);
    const names = flow.labels.join(', ');
    return [
      warning(
        'no_agent',
        flow.id,
        missing < 0 ? [...path, 'labels'] : [...path, 'labels', missing],
        `no agent of ${flow.platform} carries the labels ${names} (${flows} flows): they would wait${near.en}`,
        `平台 ${flow.platform} 没有代理带有标签 ${names}（${flows} 个流程）：这些流程将一直等待${near.zh}`,
      ),
    ];
  });
}

function rolesWithoutPerson(checked: Checked, { roles }: KnownAgentsAndRoles): Finding[] {
  const first = firstOf(checked, ({ runner, person }) => (runner === 'person' ? person?.role : undefined));
  return [...first].flatMap(([role, { flow, path, flows }]): Finding[] => {
    if (roles.has(role)) return [];
    const near = hint(role, roles);
    return [
      warning(
        'nobody_confirms',
        flow.id,
        [...path, 'person', 'role'],
        `nobody has the role '${role}': ${flows} flows could not be confirmed${near.en}`,
        `没有人员具有角色 '${role}'：${flows} 个流程无人可确认${near.zh}`,
      ),
    ];
  });
}

/** Checks SQL programs against the flows that use them: what would fail at night becomes a problem with its place in the program's file. */
import type { CheckedCatalogue } from '../../graph/catalogue/check.ts';
import { STANDARD_PARAMETERS } from '../../graph/catalogue/flow-doubts.ts';
import { placed } from '../../graph/catalogue/parse.ts';
import { unorderedWriters } from '../../graph/catalogue/unordered-writers.ts';
import { tableName } from '../../graph/impact/lineage.ts';
import type { Flow } from '../../graph/model.ts';
import { type Finding, hint, type Problem } from '../../graph/text/problems.ts';
import type { CatalogueFile } from '../../store/catalogue/catalogue.ts';
import { dataOf } from './flow-data.ts';
import type { ProgramFacts, ProgramProblem } from './program-facts.ts';
import type { Words } from './statement-rules.ts';

/** Maximum number of flows that a message names; `members` of the problem has all of them. */
const NAMED = 3;

type Checked = Pick<CheckedCatalogue, 'catalogue' | 'flows' | 'locate'>;

interface Used {
  readonly path: string;
  readonly text: string;
  readonly flows: readonly Flow[];
}

/** Texts of programs that flows use, each with the flows. O(flows). */
export function usedPrograms(flows: readonly Flow[], files: readonly CatalogueFile[]): Used[] {
  const texts = new Map(files.map(({ path, text }) => [path, text]));
  const users = new Map<string, Flow[]>();
  for (const flow of flows) {
    if (flow.program?.type !== 'sql') continue;
    const path = `programs/${flow.program.file}`;
    const list = users.get(path);
    if (list === undefined) users.set(path, [flow]);
    else list.push(flow);
  }
  return [...users].flatMap(([path, using]) => {
    const text = texts.get(path);
    return text === undefined ? [] : [{ path, text, flows: using }];
  });
}

/** O(flows + what is wrong). `facts` by text, null where the parser did not finish. */
export function programProblems(
  checked: Checked,
  used: readonly Used[],
  facts: ReadonlyMap<string, ProgramFacts | null>,
  mode: 'apply' | 'import',
): Problem[] {
  if (used.length === 0) return [];
  const others = new Set(
    checked.catalogue.connections.filter(({ dialect }) => dialect === 'other').map(({ id }) => id),
  );
  const isOther = ({ program }: Flow): boolean =>
    program?.type === 'sql' && program.connection !== undefined && others.has(program.connection);
  const indexes = new Map(checked.catalogue.flows.map(({ id }, i) => [id, i]));
  return used.flatMap(({ path, text, flows }) => {
    const known = facts.get(text) ?? null;
    const problem = (
      { code, place, message }: ProgramProblem,
      concerned: readonly Flow[],
      worst: Problem['severity'] = 'error',
    ): Problem[] => {
      if (concerned.length === 0) return [];
      const severity = mode === 'import' || concerned.every(isOther) ? 'warning' : worst;
      const users = namesOf(concerned);
      return [
        {
          code,
          severity,
          path: [],
          id: concerned[0]!.id,
          members: concerned.map(({ id }) => id),
          message: { en: `${message.en} (used by ${users.en})`, zh: `${message.zh}（使用者：${users.zh}）` },
          file: path,
          line: place.line,
          column: place.column,
        },
      ];
    };
    if (known === null) return problem(NOT_CHECKED, flows, 'warning');
    const checks = flows.filter(({ kind }) => kind === 'check');
    return [
      ...known.problems.flatMap((other) => problem(other, flows)),
      ...known.inTransaction.flatMap((entry) =>
        problem(entry, entry.code === 'sql_outside_transaction' ? flows.filter(isOneTransaction) : flows),
      ),
      ...known.asCheck.flatMap((entry) => problem(entry, checks)),
      ...known.parameters.flatMap(([name, place]) => {
        const without = flows.filter((flow) => !isGiven(flow, name));
        if (without.length === 0) return [];
        const near = hint(name, [...Object.keys(without[0]!.parameters), ...STANDARD_PARAMETERS]);
        const message = {
          en: `:${name} is bound, and no parameter '${name}' is declared${near.en}`,
          zh: `绑定了 :${name}，但未声明参数 '${name}'${near.zh}`,
        };
        return problem({ code: 'sql_parameter', place, message }, without);
      }),
      ...unused(known, flows).map(({ name, flow, more }) => {
        const at = ['flows', indexes.get(flow.id)!, 'parameters', name];
        const others =
          more === 0
            ? { en: '', zh: '' }
            : { en: ` (nor do ${more} more flows need it)`, zh: `（另有 ${more} 个流程相同）` };
        const finding: Finding = {
          code: 'unused_parameter',
          severity: 'warning',
          path: at,
          id: flow.id,
          message: {
            en: `nothing in ${path} binds the parameter '${name}'${others.en}`,
            zh: `${path} 未使用参数 '${name}'${others.zh}`,
          },
          at: 'key',
        };
        return placed(finding, checked.locate(at, finding.at));
      }),
    ];
  });
}

/** The condition of a distribution as the text that is parsed for it. */
export const conditionText = (where: string): string => `select 1 where (${where}\n)`;

/** Problems of the conditions of distributions: what the parser finds, and parameters that are bound and not declared. */
export function conditionProblems(
  { catalogue, locate }: Checked,
  facts: ReadonlyMap<string, ProgramFacts | null>,
  mode: 'apply' | 'import',
): Problem[] {
  const severity = mode === 'import' ? 'warning' : 'error';
  return catalogue.distributions.flatMap(({ id, where, parameters }, i): Problem[] => {
    const known = where === undefined ? null : facts.get(conditionText(where));
    if (known === null || known === undefined) return [];
    const path = ['distributions', i, 'where'];
    const place = locate(path);
    const at = { file: place?.file ?? null, line: place?.line ?? null, column: place?.column ?? null };
    const given = [...Object.keys(parameters), ...STANDARD_PARAMETERS];
    return [
      ...known.problems.map(({ code, message }) => ({ code, severity, message, path, id, ...at }) as const),
      ...known.parameters
        .filter(([name]) => !given.includes(name))
        .map(([name]) => {
          const near = hint(name, given);
          const message = {
            en: `:${name} is bound, and no parameter '${name}' is declared${near.en}`,
            zh: `绑定了 :${name}，但未声明参数 '${name}'${near.zh}`,
          };
          return { code: 'sql_parameter', severity, message, path, id, ...at } as const;
        }),
    ];
  });
}

const isOneTransaction = ({ program }: Flow): boolean =>
  !(program?.type === 'sql' && program.transaction === 'none');

const isGiven = ({ parameters }: Flow, name: string): boolean =>
  STANDARD_PARAMETERS.includes(name) || Object.hasOwn(parameters, name);

/** Declared parameters that the program does not bind, each once, at the first flow that declares it. None when part of the program is unread. */
function unused({ parameters, problems }: ProgramFacts, flows: readonly Flow[]) {
  if (problems.some(({ code }) => code === 'sql_syntax' || code === 'sql_empty')) return [];
  const bound = new Set(parameters.map(([name]) => name));
  const found = new Map<string, { readonly name: string; readonly flow: Flow; more: number }>();
  for (const flow of flows)
    for (const name of Object.keys(flow.parameters)) {
      if (bound.has(name)) continue;
      const first = found.get(name);
      if (first === undefined) found.set(name, { name, flow, more: 0 });
      else first.more++;
    }
  return [...found.values()];
}

function namesOf(flows: readonly Flow[]): Words {
  const named = flows.slice(0, NAMED).map(({ id }) => id);
  const more = flows.length - named.length;
  if (more === 0) return { en: named.join(', '), zh: named.join('、') };
  return { en: `${named.join(', ')} and ${more} more`, zh: `${named.join('、')} 等 ${flows.length} 个流程` };
}

const NOT_CHECKED: ProgramProblem = {
  code: 'sql_not_checked',
  place: { line: 1, column: 1 },
  message: {
    en: 'the parser did not finish this program within its limits: nothing is known of it until it runs',
    zh: '解析器未能在限制内完成该程序：运行前无法得知其内容是否正确',
  },
};

/** Tables that two flows write for one period without an order (graph/catalogue/unordered-writers.ts). */
export function unorderedProblems(
  { catalogue, flows, locate }: Checked,
  used: readonly Used[],
  facts: ReadonlyMap<string, ProgramFacts | null>,
): Problem[] {
  const platforms = new Map(catalogue.connections.map(({ id, platform }) => [id, platform]));
  const tables = new Map(
    used.flatMap(({ text, flows: users }) =>
      users.map(({ id }) => [id, facts.get(text)?.tables ?? null] as const),
    ),
  );
  // Most of an estate's 13,000 flows write no table that is known here.
  const data = flows
    .filter(({ id, writes }) => writes.length > 0 || tables.has(id))
    .map((flow) => dataOf(flow, tables.get(flow.id) ?? null, platforms));
  const found = unorderedWriters(flows, data);
  if (found.length === 0) return [];
  const written = catalogue.flows.length;
  const indexes = new Map(flows.map(({ id }, i) => [id, i]));
  return found.map(({ table, first, second }) => {
    const i = indexes.get(second)!;
    const path = i < written ? ['flows', i, 'writes'] : ['distributions', (i - written) >> 1, 'to', 'table'];
    const name = tableName(table);
    const finding: Finding = {
      code: 'unordered_writers',
      severity: 'warning',
      path,
      id: second,
      members: [first, second],
      message: {
        en: `${name} is written for the same period by ${first}, too, and neither waits for the other: which is the later is left to chance`,
        zh: `${first} 也写入同一周期的 ${name}，且两者互不依赖：先后顺序不确定`,
      },
      at: 'value',
    };
    return placed(finding, locate(path));
  });
}

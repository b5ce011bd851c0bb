/** Checks one flow for definitions that are well formed, but would fail or have no effect when the flow runs. Pure. */

import type { Program } from '../model.ts';
import { type Finding, type FindingPlace, finding, hint, type Path } from '../text/problems.ts';
import type { Draft } from './distribution.ts';

type Severity = Finding['severity'];
type Of<Type extends Program['type']> = Extract<Program, { type: Type }>;

/** Parameters that every program gets, beside those that its flow declares. */
export const STANDARD_PARAMETERS = [
  'period',
  'first_day',
  'last_day',
  'previous_period',
  'run',
  'flow',
  'generation',
];

/** Longest argument of a program on Linux, bytes (MAX_ARG_STRLEN without the terminating zero). */
const LONGEST_ARGUMENT = 131_071;

/** Interpreters whose first argument that is not an option is a script. */
const INTERPRETER = /^(ba|da|z|k)?sh$|^python[\d.]*$|^(perl|ruby|node|Rscript)$/;

export class FlowDoubts {
  readonly #problems: Finding[];
  /** Relative paths of scripts that have a finding already. */
  readonly #scripts = new Set<string>();

  constructor(problems: Finding[]) {
    this.#problems = problems;
  }

  all(draft: Draft, path: Path): void {
    // The fields that both halves of a distribution share are checked once.
    if (draft.program?.type === 'export' && draft.kind === 'distribution') return;
    this.#times(draft, path);
    this.#lists(draft, path);
    const { program } = draft;
    if (program?.type === 'shell') this.#shell(draft, program, [...path, 'program']);
    if (draft.kind === 'distribution' && program?.type === 'import') this.#distribution(draft, program, path);
  }

  #add(severity: Severity, place: FindingPlace, message: Finding['message']): void {
    this.#problems.push(finding('bad_combination', place, message, { severity }));
  }

  #times(draft: Draft, path: Path): void {
    const { id, timeoutMs, leaseMs, expectedMs, everyMs, giveUpAfterMs } = draft;
    const warn = (field: string, en: string, zh: string) =>
      this.#add('warning', { id, path: [...path, field] }, { en, zh });
    if (timeoutMs === 0)
      warn('timeoutMs', 'a timeout of 0 ends every attempt at once', '超时为 0 将立即终止每次执行');
    if (leaseMs === 0) warn('leaseMs', 'a lease of 0 is lost at once', '租约为 0 将立即失效');
    if (timeoutMs !== undefined && timeoutMs > 0 && expectedMs !== undefined && expectedMs > timeoutMs)
      warn(
        'timeoutMs',
        `its timeout of ${timeoutMs} ms is shorter than its expected duration of ${expectedMs} ms`,
        `预计耗时 ${expectedMs} 毫秒，而 ${timeoutMs} 毫秒后即被终止`,
      );
    if (everyMs === 0)
      warn('everyMs', 'an interval of 0 ms asks the check without a pause', '检查间隔为 0 将不停执行');
    if (giveUpAfterMs !== undefined && giveUpAfterMs < (everyMs ?? EVERY_MS))
      warn(
        'giveUpAfterMs',
        `it gives up after ${giveUpAfterMs} ms, before it is asked a second time (every ${everyMs ?? EVERY_MS} ms)`,
        `${giveUpAfterMs} 毫秒后放弃，尚未到第二次检查（间隔 ${everyMs ?? EVERY_MS} 毫秒）`,
      );
  }

  #lists(draft: Draft, path: Path): void {
    const { id } = draft;
    this.#twice(draft.labels, id, path, 'labels');
    this.#twice(draft.locks, id, path, 'locks');
    this.#twice(draft.groups, id, path, 'groups');
    if (draft.uses.length > 1)
      this.#twice(
        draft.uses.map(({ pool }) => pool),
        id,
        path,
        'uses',
      );
    const own = draft.forcePassRequires.indexOf(id);
    if (own >= 0)
      this.#add(
        'warning',
        { id, path: [...path, 'forcePassRequires', own] },
        { en: 'it requires itself: it could never be force-passed', zh: '要求自身完成：将永远无法强制通过' },
      );
  }

  #twice(list: readonly string[], id: string, path: Path, field: string): void {
    if (list.length < 2) return;
    const twice = list.findIndex((item, i) => list.indexOf(item) !== i);
    if (twice < 0) return;
    const name = list[twice];
    this.#add(
      'warning',
      { id, path: [...path, field, twice] },
      { en: `'${name}' is in the list twice`, zh: `'${name}' 重复` },
    );
  }

  #shell(draft: Draft, { command, env }: Of<'shell'>, path: Path): void {
    const { id } = draft;
    if (command[0]!.trim() === '')
      this.#add(
        'error',
        { id, path: [...path, 'command', 0] },
        { en: 'the command has no program', zh: '命令中没有程序名' },
      );
    for (const i of command.keys()) this.#argument(draft, command, i, [...path, 'command', i]);
    for (const name of Object.keys(env)) {
      if (name === '' || name.includes('=') || name.includes('\0'))
        this.#add(
          'error',
          { id, path: [...path, 'env', name] },
          { en: `'${name}' cannot be the name of a variable`, zh: `'${name}' 不能作为环境变量名` },
        );
      else if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
        this.#add(
          'warning',
          { id, path: [...path, 'env', name] },
          { en: `shells cannot read a variable '${name}'`, zh: `shell 无法读取变量 '${name}'` },
        );
    }
    const script = scriptOf(command);
    if (script === null || this.#scripts.has(script.path)) return;
    this.#scripts.add(script.path);
    this.#problems.push({
      code: 'relative_script',
      severity: 'warning',
      path: [...path, 'command', script.at],
      id,
      at: 'value',
      message: {
        en: `'${script.path}' is relative to the working folder of the agent (Sluice's own folder, for agents of npm start), not to this file: write an absolute path`,
        zh: `'${script.path}' 在代理的工作目录下查找（npm start 启动的代理为 Sluice 自身目录），而非本文件所在目录：请写绝对路径`,
      },
    });
  }

  /** Checks an argument of a command as the platform will read it: `:name` alone is a parameter. */
  #argument(draft: Draft, command: readonly string[], i: number, path: Path): void {
    const argument = command[i]!;
    const { id, parameters } = draft;
    if (bytesOf(argument) > LONGEST_ARGUMENT)
      this.#add(
        'warning',
        { id, path },
        {
          en: `the argument is longer than Linux allows (${LONGEST_ARGUMENT} bytes)`,
          zh: `超过 Linux 单个参数的上限（${LONGEST_ARGUMENT} 字节）`,
        },
      );
    const name = /^:([A-Za-z_][A-Za-z0-9_]*)$/.exec(argument)?.[1];
    if (name === undefined) return;
    if (i === 0 || /^-[a-z]*c$/.test(command[i - 1]!))
      this.#add(
        'error',
        { id, path },
        {
          en: `the parameter :${name} is in a place where the text of a program is expected`,
          zh: `参数 :${name} 处于应为程序文本的位置`,
        },
      );
    else if (!STANDARD_PARAMETERS.includes(name) && !Object.hasOwn(parameters, name)) {
      const suggestion = hint(name, [...Object.keys(parameters), ...STANDARD_PARAMETERS]);
      this.#add(
        'error',
        { id, path },
        {
          en: `no parameter '${name}' is declared${suggestion.en}`,
          zh: `未声明参数 '${name}'${suggestion.zh}`,
        },
      );
    }
  }

  /** Names are compared in lower case, as in SQL. */
  #distribution({ id }: Draft, { to, columns, periodColumn }: Of<'import'>, path: Path): void {
    const lower = columns.map((column) => column.toLowerCase());
    columns.forEach((column, i) => {
      if (!NAME.test(column))
        this.#add(
          'error',
          { id, path: [...path, 'columns', i] },
          { en: `'${column}' is not a column name`, zh: `'${column}' 不是有效列名` },
        );
      const first = lower.indexOf(lower[i]!);
      if (first !== i)
        this.#add(
          'error',
          { id, path: [...path, 'columns', i] },
          { en: `column '${columns[first]}' is in the list twice`, zh: `列 '${columns[first]}' 重复` },
        );
    });
    if (!lower.includes(periodColumn.toLowerCase()))
      this.#add(
        'warning',
        { id, path: [...path, 'periodColumn'] },
        {
          en: `'${periodColumn}' is not one of the columns: rows are copied without their period, unless the table fills it in`,
          zh: `'${periodColumn}' 不在 columns 中：除非由表自动填充，否则入库的行没有账期`,
        },
      );
    if (!isTable(to.table))
      this.#add(
        'error',
        { id, path: [...path, 'to', 'table'] },
        {
          en: `'${to.table}' has to be written as table or schema.table`,
          zh: `'${to.table}' 须写作 table 或 schema.table`,
        },
      );
  }
}

const NAME = /^[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]{0,62}$/;

/** `table` or `schema.table`, the form that copies accept. */
export function isTable(table: string): boolean {
  const parts = table.split('.');
  return parts.length <= 2 && parts.every((part) => NAME.test(part));
}

/** Default interval of a check, ms (protocol D9). */
const EVERY_MS = 60_000;

/** A path relative to the working folder: that of the program, or of the script of an interpreter. */
function scriptOf(command: readonly string[]): { path: string; at: number } | null {
  const program = command[0]!;
  if (isRelative(program)) return { path: program, at: 0 };
  const interpreter = program.replace(/^.*\//, '');
  if (!INTERPRETER.test(interpreter)) return null;
  const at = command.findIndex((argument, i) => i > 0 && !argument.startsWith('-'));
  // These options are followed by program text or the name of a module.
  const text = interpreter.endsWith('sh')
    ? /^-[a-z]*c$/
    : interpreter.startsWith('python')
      ? /^-[a-zA-Z]*[cm]$/
      : /^-[a-z]*e$/;
  if (at < 0 || text.test(command[at - 1]!)) return null;
  const path = command[at]!;
  return path.startsWith('/') || path.startsWith(':') ? null : { path, at };
}

const isRelative = (path: string): boolean => path.includes('/') && !path.startsWith('/');

/** Length of a text in UTF-8. */
function bytesOf(text: string): number {
  let bytes = text.length;
  // One UTF-16 unit takes at most three bytes.
  if (3 * bytes <= LONGEST_ARGUMENT) return bytes;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1;
  }
  return bytes;
}

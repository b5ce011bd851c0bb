/** Turns what zod finds wrong with an entry into findings: codes, both languages, similar names for unknown fields. */
import { z } from 'zod';
import { type Finding, finding, hint, type Path } from '../text/problems.ts';

const chinese = z.locales.zhCN().localeError;

/** All findings about the form of one entry; empty when it is well formed. `path` is the path of the entry. */
export function findingsOf(schema: z.ZodType, entry: unknown, path: Path, id: string | null): Finding[] {
  const result = schema.safeParse(entry, { reportInput: true });
  return result.success ? [] : result.error.issues.flatMap((issue) => fromIssue(schema, issue, path, id));
}

function fromIssue(schema: z.ZodType, issue: z.core.$ZodIssue, base: Path, id: string | null): Finding[] {
  const inner = issue.path as (string | number)[];
  const path = [...base, ...inner];
  const add = (code: Finding['code'], en: string, zh: string, key: string | null = null): Finding =>
    key === null
      ? finding(code, { id, path }, { en, zh })
      : finding(code, { id, path: [...path, key] }, { en, zh }, { at: 'key' });
  if (issue.code === 'unrecognized_keys') {
    const known = fieldsAt(schema, inner);
    return issue.keys.map((key) => {
      const { en, zh } = hint(key, known);
      return add('unknown_field', `unknown field '${key}'${en}`, `未知字段 '${key}'${zh}`, key);
    });
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const branch = nearestBranch(issue.errors);
    if (branch !== null)
      return branch.flatMap((below) =>
        fromIssue(schema, { ...below, path: [...inner, ...below.path] }, base, id),
      );
    const forms = issue.errors.map((issues) => issues[0]!.message).join(' / ');
    const hint = issue.input === null && issue.errors.flat().some(wantsText) ? QUOTES : NO_HINT;
    return [
      add(
        'invalid_value',
        `none of the forms fits: ${forms}${hint.en}`,
        `不符合任何一种写法：${forms}${hint.zh}`,
      ),
    ];
  }
  const field = inner.filter((step) => typeof step === 'string').at(-1) ?? '';
  if (isMissing(issue)) return [add('missing_field', `field '${field}' is missing`, `缺少字段 '${field}'`)];
  const name = field === '' ? '' : `${field}: `;
  const quotes = isUnquoted(issue) ? QUOTES : NO_HINT;
  return [add('invalid_value', name + issue.message + quotes.en, name + inChinese(issue) + quotes.zh)];
}

const QUOTES = {
  en: '; if it is a text that looks like a number, true, false or null, write it in quotes',
  zh: '；形似数字、真假值或 null 的文本请加引号',
};
const NO_HINT = { en: '', zh: '' };

const wantsText = (issue: z.core.$ZodIssue): boolean =>
  issue.code === 'invalid_type' && issue.expected === 'string';

/** Whether a text is wanted and something stands there that YAML does not read as one, e.g. 021, true or ~. */
const isUnquoted = (issue: z.core.$ZodIssue): boolean =>
  wantsText(issue) &&
  (issue.input === null || typeof issue.input === 'number' || typeof issue.input === 'boolean');

/** Whether the field that the issue is about was not written at all. */
function isMissing(issue: z.core.$ZodIssue): boolean {
  if (issue.code === 'invalid_union')
    return (issue.input as Record<string, unknown> | undefined)?.[String(issue.path.at(-1))] === undefined;
  return (issue.code === 'invalid_type' || issue.code === 'invalid_value') && issue.input === undefined;
}

/**
 * The branch of a union that was probably meant: among those that accept the type of the value, the one with the fewest issues; among equals the
 * one that knows its fields. null when no branch accepts the type.
 */
function nearestBranch(
  branches: readonly (readonly z.core.$ZodIssue[])[],
): readonly z.core.$ZodIssue[] | null {
  const meant = branches.filter((issues) => !issues.some(ofWrongType));
  meant.sort((a, b) => weight(a) - weight(b));
  return meant[0] ?? null;
}

const weight = (issues: readonly z.core.$ZodIssue[]): number =>
  issues.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? 1.5 : 1), 0);

function ofWrongType(issue: z.core.$ZodIssue): boolean {
  if (issue.path.length > 0) return false;
  if (issue.code === 'invalid_value') return typeof issue.input !== typeof issue.values[0];
  return issue.code === 'invalid_type';
}

/** The message in Chinese: zod has its own messages in both languages, those of the schemas are English. */
function inChinese(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_format' && issue.format === 'regex') return `格式不符：${issue.message}`;
  const answer = chinese(issue as z.core.$ZodRawIssue);
  return (typeof answer === 'string' ? answer : answer?.message) ?? issue.message;
}

/** Names of the fields that may stand at `path` below a schema. */
function fieldsAt(schema: z.core.$ZodType, path: readonly (string | number)[]): string[] {
  const { def } = schema as unknown as { def: Definition };
  if (def.innerType !== undefined) return fieldsAt(def.innerType, path);
  if (def.options !== undefined) return [...new Set(def.options.flatMap((option) => fieldsAt(option, path)))];
  const [step, ...rest] = path;
  if (step === undefined) return Object.keys(def.shape ?? {});
  const next = def.shape?.[step] ?? def.element ?? def.valueType;
  return next === undefined ? [] : fieldsAt(next, rest);
}

/** The parts of zod's definitions that lead further down: wrappers, unions, objects, arrays, records. */
interface Definition {
  readonly innerType?: z.core.$ZodType;
  readonly options?: readonly z.core.$ZodType[];
  readonly shape?: Readonly<Record<string, z.core.$ZodType>>;
  readonly element?: z.core.$ZodType;
  readonly valueType?: z.core.$ZodType;
}

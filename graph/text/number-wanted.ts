/** What number may stand where only a number may: quotes, the advice for what a double would round, make no number of it. */
import { z } from 'zod';
import type { Sentence } from './sentence.ts';

/** The parts of zod's definitions that lead further down: wrappers, pipes, unions, objects, arrays, records. */
interface Definition {
  readonly type: string;
  readonly innerType?: z.core.$ZodType;
  readonly in?: z.core.$ZodType;
  readonly options?: readonly z.core.$ZodType[];
  readonly shape?: Readonly<Record<string, z.core.$ZodType>>;
  readonly element?: z.core.$ZodType;
  readonly valueType?: z.core.$ZodType;
}

const definitionOf = (schema: z.core.$ZodType): Definition => (schema as unknown as { def: Definition }).def;

/** Every form that may stand at `path` below a schema. */
function formsAt(schema: z.core.$ZodType, path: readonly (string | number)[]): z.core.$ZodType[] {
  const { innerType, in: before, options, shape, element, valueType } = definitionOf(schema);
  if (innerType !== undefined) return formsAt(innerType, path);
  if (before !== undefined) return formsAt(before, path);
  if (options !== undefined) return options.flatMap((option) => formsAt(option, path));
  const [step, ...rest] = path;
  if (step === undefined) return [schema];
  const next = shape?.[step] ?? element ?? valueType;
  return next === undefined ? [] : formsAt(next, rest);
}

/** Which number may stand there; null where a text may, or nothing is known. */
export function numberWanted(
  schemas: readonly z.core.$ZodType[],
  path: readonly (string | number)[],
): Sentence | null {
  const forms = schemas.flatMap((schema) => formsAt(schema, path));
  const number = forms.find((form) => definitionOf(form).type === 'number');
  if (number === undefined || forms.some((form) => /^(string|any|unknown)$/.test(definitionOf(form).type)))
    return null;
  const { type, minimum, maximum } = z.toJSONSchema(number, { io: 'input' });
  if (type !== 'integer')
    return { en: 'write a number of at most 15 digits', zh: '请写不超过 15 位有效数字的数' };
  return {
    en: `write a whole number from ${minimum} to ${maximum}`,
    zh: `请写 ${minimum} 至 ${maximum} 的整数`,
  };
}

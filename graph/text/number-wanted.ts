/** Advice for a number that a double would round. Elsewhere it is to be put in quotes; where only a number is accepted, quotes are no help. */
import { z } from 'zod';
import type { Sentence } from './sentence.ts';

/** The parts of zod's definitions that lead to inner schemas: wrappers, pipes, unions, objects, arrays, records. */
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

/** The schemas of everything that is accepted at `path` below a schema. */
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

/** Which number to write at `path`; null where a text is accepted, too, or where no schema knows the place. */
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

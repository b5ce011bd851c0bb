/** Lineage: what a table or flow is made of, and what is made of it; findings of a catalogue version. */
import { z } from 'zod';
import { LINEAGE_FINDINGS, type LineageFindingCode } from '../graph/impact/lineage-findings.ts';
import { BothNames, GivenId, type Infer, PageQuery, pageOf, text } from './fields.ts';

export const LineageQuery = z.strictObject({
  /** Exactly one of both. */
  table: text(300).min(1).optional(),
  flow: GivenId.optional(),
  /** Of the table, where several platforms have one of that name. */
  platform: GivenId.optional(),
  direction: z.enum(['up', 'down']).default('down'),
  /** Steps from a flow to a table, or back. */
  depth: z.coerce.number().int().min(1).max(1_000).optional(),
});

export const LineageStep = z.object({
  kind: z.enum(['flow', 'table']),
  id: z.string(),
  names: BothNames.nullable(),
  /** The platform of the table, or the flow's own. */
  platform: z.string().nullable(),
  cycle: z.string().nullable(),
  depth: z.int(),
  /** Place in `items` of what it was reached from; null: the start. */
  from: z.int().nullable(),
});

export const LineageAnswer = z.object({
  version: z.int(),
  direction: z.enum(['up', 'down']),
  items: z.array(LineageStep),
});
export type LineageAnswer = Infer<typeof LineageAnswer>;

const CODES = Object.keys(LINEAGE_FINDINGS) as [LineageFindingCode, ...LineageFindingCode[]];

export const Finding = z.object({
  flow: z.string(),
  code: z.enum(CODES),
  side: z.enum(['reads', 'writes']).nullable(),
  table: z.string().nullable(),
  detail: z.string().nullable(),
});
export type Finding = Infer<typeof Finding>;

export const FindingsQuery = z.strictObject({
  ...PageQuery,
  version: z.coerce.number().int().min(1).optional(),
});
export const FindingPage = pageOf(Finding);

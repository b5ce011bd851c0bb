/** Lineage: what a table or flow is made of, and what is made of it; findings of a catalogue version. */
import { z } from 'zod';
import { LINEAGE_FINDINGS, type LineageFindingCode } from '../graph/impact/lineage-findings.ts';
import { BothNames, GivenId, type Infer, PageQuery, pageOf, text } from './fields.ts';

export const LineageQuery = z.strictObject({
  /** The table or the flow: exactly one of both. */
  table: text(300).min(1).optional(),
  flow: GivenId.optional(),
  /** The platform of the table, when several platforms have a table of that name. */
  platform: GivenId.optional(),
  direction: z.enum(['up', 'down']).default('down'),
  /** Maximum number of steps; a step leads from a flow to a table, or from a table to a flow. */
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
  /** Index in `items` of the entry from which this one was reached; null: it is the start. */
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

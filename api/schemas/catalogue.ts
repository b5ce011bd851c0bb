/** Catalogues: files in, problems or versions out. */
import { z } from 'zod';
import { GivenId, Instant, text } from './fields.ts';

export const CatalogueFile = z.strictObject({
  /** Relative, with `/`: `p01.yaml`, `programs/DwdMergeBillM.sql`. */
  path: z
    .string()
    .min(1)
    .max(300)
    .regex(/^(?!\/)(?!.*(^|\/)\.\.?(\/|$))[^\0\\]+$/, 'a relative path without . and ..')
    .refine((value) => value.isWellFormed(), 'must be well-formed Unicode'),
  text: text(8 * 1024 * 1024),
});
export type CatalogueFile = z.infer<typeof CatalogueFile>;

const files = z.array(CatalogueFile).min(1).max(20_000);
const mode = z.enum(['apply', 'import']);

export const CheckRequest = z.strictObject({ files, mode: mode.default('apply') });
export const ApplyRequest = z.strictObject({
  files,
  reason: text(2_000).default(''),
  /** Check and compare only. */
  dryRun: z.boolean().default(false),
});

export const Problem = z.object({
  code: z.string(),
  severity: z.enum(['error', 'warning']),
  message: z.object({ en: z.string(), zh: z.string() }),
  id: z.string().nullable(),
  file: z.string().nullable(),
  /** Both count from 1. */
  line: z.int().nullable(),
  column: z.int().nullable(),
  /** Of a loop. */
  members: z.array(z.string()).optional(),
});

export const CheckAnswer = z.object({
  ok: z.boolean(),
  flows: z.int(),
  problems: z.array(Problem),
});

export const DiffAnswer = z.object({
  /** The version that it is compared with; null: there is none yet. */
  against: z.int().nullable(),
  added: z.array(z.string()),
  removed: z.array(z.string()),
  changed: z.array(z.object({ flow: z.string(), fields: z.array(z.string()) })),
  /** Sections besides the flows that differ: calendars, pools ... and program files by path. */
  frame: z.array(z.string()),
  programs: z.array(z.string()),
});
export type DiffAnswer = z.infer<typeof DiffAnswer>;

export const ApplyAnswer = z.object({
  version: z.int().nullable(),
  /** false: the newest version is this very catalogue already. */
  created: z.boolean(),
  hash: z.string(),
  flows: z.int(),
  /** Warnings. */
  problems: z.array(Problem),
  diff: DiffAnswer,
});

export const Version = z.object({
  version: z.int(),
  hash: z.string(),
  mode,
  createdBy: z.string(),
  createdAt: Instant,
  flowCount: z.int(),
});
export const VersionList = z.object({ items: z.array(Version) });

export const VersionQuery = z.strictObject({
  /** Default: the newest. */
  version: z.coerce.number().int().min(1).max(2_147_483_647).optional(),
});
export const Summary = z.object({
  ...Version.shape,
  procedures: z.array(z.unknown()),
  calendars: z.array(z.unknown()),
  connections: z.array(z.unknown()),
  pools: z.array(z.unknown()),
  schedules: z.array(z.unknown()),
  /** Number of flows by cycle. */
  cycles: z.record(z.string(), z.int()),
  /** First period of a cycle; a cycle that is missing here has all. */
  beginnings: z.record(z.string(), z.string()),
});
export const Exported = z.object({ version: z.int(), hash: z.string(), files: z.array(CatalogueFile) });

export const DefinitionParams = z.object({ flow: GivenId });
/** A flow as compiled: graph/model.ts `Flow`. */
export const Definition = z.looseObject({ id: z.string(), version: z.int() });

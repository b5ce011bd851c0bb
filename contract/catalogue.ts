/** Catalogues: files in, problems or versions out. */
import { z } from 'zod';
import { Cycle, PeriodMapping } from '../graph/model.ts';
import { GivenId, type Infer, Instant, StateName, text } from './fields.ts';
import { Impact } from './impact.ts';

/** A path relative to the catalogue's folder, with `/`: `p01.yaml`, `programs/DwdMergeBillM.sql`. */
const CataloguePath = text(300)
  .min(1)
  .regex(/^(?!\/)(?!.*(^|\/)\.\.?(\/|$))[^\\]+$/, 'a relative path without . and ..');

/** Maximum size of a file: UTF-16 units when it is given as text, otherwise bytes. */
export const FILE_LIMIT = 8 * 1024 * 1024;

export const CatalogueFile = z.strictObject({ path: CataloguePath, text: text(FILE_LIMIT) });
export type CatalogueFile = Infer<typeof CatalogueFile>;

/** A file as it is given: its text, or its bytes when they are not plain UTF-8. `encodings:` of the catalogue says how bytes are read. */
export const GivenFile = z
  .strictObject({
    path: CataloguePath,
    text: text(FILE_LIMIT).optional(),
    base64: z
      .base64()
      .max(Math.ceil(FILE_LIMIT / 3) * 4)
      .optional(),
  })
  .refine((file) => (file.text === undefined) !== (file.base64 === undefined), 'give either text or base64');
export type GivenFile = Infer<typeof GivenFile>;

const files = z.array(GivenFile).min(1).max(20_000);
const mode = z.enum(['apply', 'import']);

export const CheckRequest = z.strictObject({ files, mode: mode.default('apply') });
const change = {
  reason: text(2_000).default(''),
  dryRun: z.boolean().default(false).describe('Check and compare only.'),
  remove: z
    .boolean()
    .default(false)
    .describe(
      'Whether flows and schedules of the newest version that the files lack may go; without it they are refused with removes_flows.',
    ),
  baseVersion: z
    .int()
    .min(1)
    .nullable()
    .optional()
    .describe(
      'The version that the files were made from, or compared with; null: there was none. When another one is the newest, catalogue_changed. ' +
        'Left out, the base is the version that is the newest when the request arrives: of requests at the same time still exactly one is stored, ' +
        'but what was applied since the caller looked is not noticed.',
    ),
};

export const ApplyRequest = z.strictObject({ files, ...change });
export const RollbackRequest = z.strictObject({
  version: z
    .int()
    .min(1)
    .max(2_147_483_647)
    .describe('The version whose files become the newest version again.'),
  ...change,
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
  /** The flows of the loop, when the problem is one. */
  members: z.array(z.string()).optional(),
});

export const CheckAnswer = z.object({
  ok: z.boolean(),
  flows: z.int(),
  problems: z.array(Problem),
});

/** Values of the changed fields, null where there is none. */
const Values = z.record(z.string(), z.unknown());
const Change = { fields: z.array(z.string()), before: Values, after: Values };

const ChangedEdge = z.object({
  from: z.string(),
  to: z.string(),
  period: PeriodMapping,
  /** The cycle of the other run, when the edge leads to a run of another cycle. */
  cycle: Cycle.nullable(),
});

/** How the definitions of two catalogues differ. */
export const Difference = z.object({
  /** The version that it is compared with; null: there is none yet. */
  against: z.int().nullable(),
  added: z.array(z.string()),
  removed: z.array(z.string()),
  /** Pairs of a removed and an added flow that may be the same flow; when very many differ, not all pairs are found. */
  renamed: z.array(z.object({ from: z.string(), to: z.string() })),
  changed: z.array(z.object({ flow: z.string(), ...Change })),
  /** Edges to flows that are in both versions. */
  edges: z.object({ added: z.array(ChangedEdge), removed: z.array(ChangedEdge) }),
  /** Names of the other sections that differ: calendars, pools and others. */
  frame: z.array(z.string()),
  /** Paths of the program files that differ. */
  programs: z.array(z.string()),
  /** The entries of these sections that differ, each with the flows and schedules that it concerns. */
  sections: z.array(
    z.object({
      section: z.string(),
      id: z.string(),
      change: z.enum(['added', 'removed', 'changed']),
      ...Change,
      /** Number of flows that use the entry, and the first of them. */
      flows: z.int(),
      named: z.array(z.string()),
      schedules: z.array(z.string()),
    }),
  ),
});
export type Difference = Infer<typeof Difference>;

/** A changed or removed flow, and what depends on it. */
export const TouchedFlow = z.object({
  flow: z.string(),
  /** `program`: the flow is the same, the file of its program is another one. */
  change: z.enum(['changed', 'removed', 'program']),
  /** Number of flows below it, in all cycles; numbers of key flows and of flows with a deadline among these and itself. */
  downstream: z.int(),
  keys: z.int(),
  /** The nearest of these key flows. */
  keyFlows: z.array(z.string()),
  procedures: z.array(z.string()),
  deadlines: z.int(),
  /** Open runs that hold it. */
  runs: z.array(z.object({ run: z.string(), state: StateName })),
});

/** An open run that holds flows of the change, and what adopting it would do there (protocol D8). */
export const TouchedRun = z.object({
  run: z.string(),
  version: z.int(),
  /** Numbers of changed or removed flows that it holds, by state and in all; number of flows that it would get. */
  states: z.partialRecord(StateName, z.int()),
  holds: z.int(),
  gains: z.int(),
  /** null: not previewed, as only the first 20 open runs are. */
  adopt: z
    .object({
      /** Why adopting would be refused: `adopt_removes_started`, `run_frozen`; null: it would not. */
      refused: z.string().nullable(),
      /** Removed flows that have started there. */
      started: z.array(z.string()),
      newBlockers: z.int(),
      /** The first of the new blockers. */
      blockers: z.array(z.object({ flow: z.string(), code: z.string(), from: z.string().nullable() })),
      freed: z.int(),
      added: z.int(),
      removed: z.int(),
      lapsedWaives: z.int(),
      /** Deadlines of changed flows, and of flows that wait for them, that would be missed even if everything open ran from now on without a pause. */
      late: z.array(z.object({ flow: z.string(), deadline: Instant, endsAt: Instant, lateMs: z.int() })),
    })
    .nullable(),
});

export const DiffAnswer = z.object({
  ...Difference.shape,
  /** What lies below all changed flows together, in the version before or after. */
  impact: Impact,
  /** The changed and removed flows one by one; the first of them when there are more than 200. */
  touched: z.array(TouchedFlow),
  runs: z.array(TouchedRun),
});
export type DiffAnswer = Infer<typeof DiffAnswer>;

export const ApplyAnswer = z.object({
  version: z.int().nullable(),
  /** false: the newest version is the same catalogue already. */
  created: z.boolean(),
  hash: z.string(),
  flows: z.int(),
  /** Warnings. */
  problems: z.array(Problem),
  diff: Difference,
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
  /** First periods by cycle; a cycle that is missing here has every period. */
  beginnings: z.record(z.string(), z.string()),
});
export const Exported = z.object({ version: z.int(), hash: z.string(), files: z.array(CatalogueFile) });

export const DefinitionParams = z.object({ flow: GivenId });
/** A flow as compiled: graph/model.ts `Flow`. */
export const Definition = z.looseObject({ id: z.string(), version: z.int() });

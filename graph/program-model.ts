/** What a flow executes: the program as a maintainer writes it (protocol C6, D3). */
import { z } from 'zod';
import { Id, Ms } from './model-fields.ts';

/** One side of a copy: a table of a connection. */
export const CopySide = z.strictObject({ connection: Id, table: z.string().min(1) });

/** A SQL file below the catalogue's `programs/`, executed fenced on `connection` (protocol C6); for a check it returns one boolean. */
export const SqlProgram = z.strictObject({
  type: z.literal('sql'),
  file: z.string().min(1),
  connection: Id.optional(),
  /** VACUUM, procedures that commit: each statement commits by itself (protocol C6). */
  transaction: z.literal('none').optional(),
});

export const ShellProgram = z.strictObject({
  type: z.literal('shell'),
  command: z.array(z.string()).min(1),
  env: z.record(z.string(), z.string()).default({}),
  /** What its output is written in, as gbk; default: as its agent declares, else utf-8. Never guessed. */
  encoding: z.string().min(1).optional(),
  /** What a rehearsal does: nothing (`skip`), the command itself (`command`), or another command. Without it no rehearsal is opened. */
  rehearsal: z.union([z.enum(['skip', 'command']), z.array(z.string()).min(1)]).optional(),
});

/** First half of a distribution: source rows into the target's staging table, keyed by distribution, period, run, generation (protocol D3). */
export const ExportProgram = z.strictObject({
  type: z.literal('export'),
  distribution: Id,
  from: CopySide,
  to: CopySide,
  columns: z.array(z.string()).min(1),
  where: z.string().optional(),
});

/** Second half: one fenced insert-select from staging into the target; the control rows commit with it (protocol D3). */
export const ImportProgram = z.strictObject({
  type: z.literal('import'),
  distribution: Id,
  to: CopySide,
  columns: z.array(z.string()).min(1),
  periodColumn: z.string(),
});

/** Does nothing, inside the agent; `ms` it takes, `failTimes` attempts that fail first. Load and tests. */
export const NoopProgram = z.strictObject({
  type: z.literal('noop'),
  ms: Ms.default(0),
  failTimes: z.int().min(0).default(0),
});

export const Program = z.discriminatedUnion('type', [
  SqlProgram,
  ShellProgram,
  ExportProgram,
  ImportProgram,
  NoopProgram,
]);
export type Program = z.infer<typeof Program>;

/** Small catalogues for tests: written as a maintainer would, checked and stored as the product does it. */
import { createHash } from 'node:crypto';
import type pg from 'pg';
import { checkCatalogue } from '../../graph/catalogue/check.ts';
import type { Cycle } from '../../graph/model.ts';
import { saveVersion, versionReader } from '../../store/catalogue/catalogue.ts';
import { openRun } from '../../store/schedules/open-run.ts';
import { inTransaction } from '../../store/schema/pool.ts';

/** A flow in few words: `{ id, after, ... }`, names made from the id; platform `yt` and program `noop` unless given. */
export type ShortFlow = { readonly id: string; readonly after?: readonly unknown[] } & Readonly<
  Record<string, unknown>
>;

/** YAML (JSON is YAML) of month flows. */
export function catalogueText(
  flows: readonly ShortFlow[],
  frame: Readonly<Record<string, unknown>> = {},
): string {
  const written = flows.map((flow) => {
    const person = flow.kind === 'gate' || flow.person !== undefined;
    const engine = flow.kind === 'notify';
    return {
      kind: 'job',
      cycle: 'month',
      names: { en: flow.id, zh: flow.id },
      ...(person || engine ? {} : { platform: 'yt', program: { type: 'noop' } }),
      ...flow,
    };
  });
  return JSON.stringify({ ...frame, flows: written }, null, 1);
}

/** Applies a catalogue; throws with every problem when it has one. */
export async function applyCatalogue(
  pool: pg.Pool,
  text: string,
  mode: 'apply' | 'import' = 'apply',
  programs: readonly { path: string; text: string }[] = [],
): Promise<number> {
  const yaml = { path: 'test.yaml', text };
  const files = [yaml, ...programs];
  const checked = checkCatalogue([yaml], mode);
  if (!checked.ok) throw new Error(checked.problems.map((p) => JSON.stringify(p)).join('\n'));
  const { flows: _flows, distributions: _distributions, ...frame } = checked.catalogue;
  const hash = createHash('sha256').update(text).digest('hex');
  const saved = await inTransaction(pool, (client) =>
    saveVersion(client, { hash, mode, actor: 'test', files, frame, flows: [...checked.flows] }),
  );
  return saved.version;
}

/** Opens the run of a period over the newest catalogue and answers its id. */
export async function openTestRun(
  pool: pg.Pool,
  period = '2026-10',
  cycle: Cycle = 'month',
): Promise<string> {
  const run = await openRun(
    { pool, versionOf: versionReader(pool) },
    { cycle, period, purpose: 'scheduled', procedures: null },
    'test',
  );
  return run.id;
}

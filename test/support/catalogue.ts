/** Catalogues for tests, applied the way the API applies them: checked, then stored as a version. */
import { createHash } from 'node:crypto';
import type pg from 'pg';
import { checkCatalogue } from '../../graph/check.ts';
import { type CatalogueFile, saveVersion } from '../../store/catalogue.ts';
import { inTransaction } from '../../store/pool.ts';

/** Stores YAML (and program files) as the newest version; throws with every problem when the catalogue is not sound. */
export async function applyCatalogue(
  pool: pg.Pool,
  given: string | readonly CatalogueFile[],
  mode: 'apply' | 'import' = 'apply',
): Promise<number> {
  const files = typeof given === 'string' ? [{ path: 'test.yaml', text: given }] : given;
  const yaml = files.filter((file) => file.path.endsWith('.yaml'));
  const { catalogue, flows, ok, problems } = checkCatalogue(yaml, mode);
  if (!ok) throw new Error(problems.map((p) => `${p.line}:${p.column} ${p.message.en}`).join('\n'));
  const { flows: _, distributions: __, ...frame } = catalogue;
  const hash = createHash('sha256').update(JSON.stringify(files)).digest('hex');
  const saved = await inTransaction(pool, (client) =>
    saveVersion(client, { hash, mode, actor: 'test', files, frame, flows }),
  );
  return saved.version;
}

/** One flow in YAML, a `noop` of platform `p` unless said otherwise. */
export function flowYaml(id: string, after: readonly string[] = [], rest = ''): string {
  const kind = /\bkind:/.test(rest) ? '' : 'kind: job, platform: p, program: { type: noop }, ';
  return `  - { id: ${id}, names: { en: ${id}, zh: ${id} }, cycle: month, ${kind}after: [${after.join(', ')}]${rest === '' ? '' : `, ${rest}`} }`;
}

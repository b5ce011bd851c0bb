/**
 * Makes an installation ready, any number of times: schema, shipped catalogue, actors with tokens. A program of its own, run by `npm start`:
 * `node api/setup/main.ts [--replace-tokens] <file of actors> <folder of a catalogue> <agent>...`. It is the only place where an actor comes from nothing.
 *
 * The file of actors (0600) is what the command line and agents of this machine read: `{ apiUrl, actors: { name: token } }`.
 */
import { chmod, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { parseArgs } from 'node:util';
import type pg from 'pg';
import { loadConfig } from '../../config.ts';
import type { GivenFile } from '../../contract/catalogue.ts';
import { SluiceError } from '../../errors.ts';
import { checkFiles } from '../../services/catalogue/catalogue-files.ts';
import { ProgramReader } from '../../services/programs/program-reader.ts';
import { confirmingRoles, newestVersion, saveVersion } from '../../store/catalogue/catalogue.ts';
import { actorOfToken, createActor, knownActors, type NewActor } from '../../store/operations/actors.ts';
import { writeAudit } from '../../store/operations/audit.ts';
import { migrate } from '../../store/schema/migrate.ts';
import { createPool, inTransaction } from '../../store/schema/pool.ts';

interface ActorsFile {
  readonly apiUrl: string;
  readonly actors: Readonly<Record<string, string>>;
}

/** Applies the folder when no catalogue was applied yet: a later one is the maintainers' own. */
async function applyShipped(pool: pg.Pool, folder: string): Promise<void> {
  if ((await newestVersion(pool)) !== null) return;
  const programs = new ProgramReader();
  const { files, frame, flows, hash, problems } = await checkFiles(await readCatalogue(folder), {
    programs,
    mode: 'apply',
  }).finally(() => programs.close());
  const worst = problems.find((problem) => problem.severity === 'error');
  if (worst !== undefined)
    throw new SluiceError(
      'internal',
      `the shipped catalogue has a problem: ${worst.file}:${worst.line} ${worst.message.en}`,
    );
  await inTransaction(pool, (client) =>
    saveVersion(client, { hash, mode: 'apply', actor: 'setup', files, frame, flows }),
  );
}

/** YAML and program files below the folder. */
async function readCatalogue(folder: string): Promise<GivenFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile() && /\.(ya?ml|sql)$/i.test(entry.name))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  return Promise.all(
    paths.map(async (path) => ({
      path: path.split(sep).join('/'),
      base64: (await readFile(join(folder, path))).toString('base64'),
    })),
  );
}

/**
 * Who works with a fresh installation. `admin` maintains; `demo` plays everybody whose confirmation the catalogue asks for; `key` may
 * force-pass key flows; `viewer` only reads.
 */
async function shippedActors(pool: pg.Pool, agents: readonly string[]): Promise<NewActor[]> {
  const roles = await confirmingRoles(pool);
  return [
    { name: 'admin', kind: 'person', roles: ['maintainer', 'key'] },
    { name: 'operator', kind: 'person', roles: ['operator'] },
    { name: 'viewer', kind: 'person', roles: ['viewer'] },
    { name: 'demo', kind: 'person', roles: [...new Set(['operator', ...roles])] },
    ...agents.map((name): NewActor => ({ name, kind: 'agent' })),
  ];
}

/** The file as it is; empty when there is none. Throws `internal` when it cannot be read: its tokens may be the only ones. */
async function readActors(path: string): Promise<Record<string, string>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new SluiceError('tokens_elsewhere', `${path} cannot be read: ${(error as Error).message}`);
  }
  try {
    return (JSON.parse(text) as ActorsFile).actors ?? {};
  } catch {
    throw new SluiceError('tokens_elsewhere', `${path} is not valid JSON: correct it, or move it away`);
  }
}

interface ActorsToWrite {
  readonly apiUrl: string;
  readonly agents: readonly string[];
  /** Tokens that the record knows and the file lacks are replaced. */
  readonly replace: boolean;
}

/**
 * Keeps tokens that still work; makes those of actors whom the record does not know. Others were made by another set-up, and somebody works
 * with them: they are replaced only when `replace` says so. An actor that was disabled stays so. Written aside and renamed, readable by
 * its owner only. Throws `tokens_elsewhere`.
 */
async function writeActors(
  pool: pg.Pool,
  path: string,
  { apiUrl, agents, replace }: ActorsToWrite,
): Promise<void> {
  const before = await readActors(path);
  const actors: Record<string, string> = { ...before };
  const shipped = await shippedActors(pool, agents);
  const known = await knownActors(
    pool,
    shipped.map((actor) => actor.name),
  );
  const missing: NewActor[] = [];
  for (const actor of shipped) {
    const token = before[actor.name];
    const owner = token === undefined ? null : await actorOfToken(pool, token);
    if (owner?.name !== actor.name && known.get(actor.name)?.disabled !== true) missing.push(actor);
  }
  const elsewhere = missing.filter((actor) => known.has(actor.name)).map((actor) => actor.name);
  if (elsewhere.length > 0 && !replace)
    throw new SluiceError(
      'tokens_elsewhere',
      `the record has ${elsewhere.join(', ')}, but ${path} does not have their tokens: another set-up made them`,
      { facts: { actors: elsewhere, file: path } },
    );
  for (const actor of missing) actors[actor.name] = await createActor(pool, actor);
  if (elsewhere.length > 0) {
    process.stderr.write(
      `sluice: replaced the tokens of ${elsewhere.join(', ')}; their old ones are refused now\n`,
    );
    await writeAudit(pool, {
      actor: 'setup',
      verb: 'replace-tokens',
      run: null,
      reason: elsewhere.join(', '),
      outcome: 'applied',
    });
  }
  const file: ActorsFile = { apiUrl, actors };
  await writeFile(`${path}.new`, `${JSON.stringify(file, null, 2)}\n`, { mode: 0o600 });
  await chmod(`${path}.new`, 0o600);
  await rename(`${path}.new`, path);
}

const USAGE =
  'DATABASE_URL=... node api/setup/main.ts [--replace-tokens] ACTORS_FILE CATALOGUE_FOLDER AGENT...';

async function main(): Promise<void> {
  const config = loadConfig();
  const { values: options, positionals } = parseArgs({
    options: { 'replace-tokens': { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const [actorsFile, catalogueFolder, ...agents] = positionals;
  if (config.databaseUrl === undefined || actorsFile === undefined || catalogueFolder === undefined)
    throw new SluiceError('usage', USAGE);
  const pool = createPool(config.databaseUrl, { max: 2, name: 'setup' });
  try {
    await migrate(pool);
    await applyShipped(pool, catalogueFolder);
    await writeActors(pool, actorsFile, {
      apiUrl: config.apiUrl,
      agents,
      replace: options['replace-tokens'],
    });
    process.send?.({ ready: true });
  } finally {
    await pool.end();
  }
}

try {
  await main();
} catch (error) {
  const isUsage = (error as { code?: unknown } | null)?.code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION';
  if (!(error instanceof SluiceError) && !isUsage) throw error;
  const failure = error instanceof SluiceError ? error : new SluiceError('usage', USAGE);
  process.stderr.write(
    `sluice: ${failure.code}: ${failure.message}\n${failure.kind.remedy.en} ${failure.kind.remedy.zh}\n`,
  );
  process.exitCode = failure.kind.exit;
}
process.disconnect?.();

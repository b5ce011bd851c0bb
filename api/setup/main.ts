/**
 * Makes an installation ready, any number of times: schema, shipped catalogue, actors with tokens. A program of its own, run by `npm start`:
 * `node api/setup/main.ts <file of actors> <folder of a catalogue>`. It is the only place where an actor comes from nothing.
 *
 * The file of actors (0600) is what the command line and agents of this machine read: `{ apiUrl, actors: { name: token } }`.
 */
import { chmod, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import type pg from 'pg';
import { loadConfig } from '../../config.ts';
import { SluiceError } from '../../errors.ts';
import { actorOfToken, createActor, type NewActor } from '../../store/actors.ts';
import { newestVersion, saveVersion } from '../../store/catalogue.ts';
import { migrate } from '../../store/migrate.ts';
import { createPool, inTransaction } from '../../store/pool.ts';
import { checkFiles } from '../catalogue-files.ts';
import type { GivenFile } from '../schemas/catalogue.ts';

interface ActorsFile {
  readonly apiUrl: string;
  readonly actors: Readonly<Record<string, string>>;
}

/** Applies the folder when no catalogue was applied yet: a later one is the maintainers' own. */
async function applyShipped(pool: pg.Pool, folder: string): Promise<void> {
  if ((await newestVersion(pool)) !== null) return;
  const { files, frame, flows, hash, problems } = await checkFiles(await readCatalogue(folder), 'apply');
  const worst = problems.find((problem) => problem.severity === 'error');
  if (worst !== undefined)
    throw new SluiceError(
      'internal',
      `the shipped catalogue is wrong: ${worst.file}:${worst.line} ${worst.message.en}`,
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
  const roles = await pool.query<{ role: string }>(
    `select distinct flow->'person'->>'role' as role from catalogue_versions, json_array_elements(flows) as flow
     where version = (select max(version) from catalogue_versions) and flow->'person' is not null order by 1`,
  );
  return [
    { name: 'admin', kind: 'person', roles: ['maintainer', 'key'] },
    { name: 'operator', kind: 'person', roles: ['operator'] },
    { name: 'viewer', kind: 'person', roles: ['viewer'] },
    { name: 'demo', kind: 'person', roles: [...new Set(['operator', ...roles.rows.map((row) => row.role)])] },
    ...agents.map((name): NewActor => ({ name, kind: 'agent' })),
  ];
}

/** Keeps tokens that still work; makes the others. Written aside and renamed, readable by its owner only. */
async function writeActors(
  pool: pg.Pool,
  path: string,
  apiUrl: string,
  agents: readonly string[],
): Promise<void> {
  const before = await readFile(path, 'utf8').then(
    (text) => (JSON.parse(text) as ActorsFile).actors,
    () => ({}) as Record<string, string>,
  );
  const actors: Record<string, string> = { ...before };
  for (const actor of await shippedActors(pool, agents)) {
    const token = before[actor.name];
    const known = token === undefined ? null : await actorOfToken(pool, token);
    actors[actor.name] = known?.name === actor.name ? token! : await createActor(pool, actor);
  }
  const file: ActorsFile = { apiUrl, actors };
  await writeFile(`${path}.new`, `${JSON.stringify(file, null, 2)}\n`, { mode: 0o600 });
  await chmod(`${path}.new`, 0o600);
  await rename(`${path}.new`, path);
}

const config = loadConfig();
const [actorsFile, catalogueFolder, ...agents] = process.argv.slice(2);
if (config.databaseUrl === undefined || actorsFile === undefined || catalogueFolder === undefined)
  throw new SluiceError(
    'usage',
    'DATABASE_URL=... node api/setup/main.ts ACTORS_FILE CATALOGUE_FOLDER AGENT...',
  );
const pool = createPool(config.databaseUrl, { max: 2, name: 'setup' });
try {
  await migrate(pool);
  await applyShipped(pool, catalogueFolder);
  await writeActors(pool, actorsFile, config.apiUrl, agents);
  process.send?.({ ready: true });
} finally {
  await pool.end();
}
process.disconnect?.();

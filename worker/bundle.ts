/** The workflow bundle: built once for each state of the sources and kept in a file. Building takes 1.6 to 3 s. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { BUILD } from '../workflows/messages.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Run in a process of its own: webpack leaves 250 MB of memory behind, and a worker lives for weeks. */
const builder = fileURLToPath(new URL('bundle/main.ts', import.meta.url));
const run = promisify(execFile);

export interface Bundle {
  readonly codePath: string;
  /** Hash of the sources. Every execution of a coordinator carries it (decision 0009). */
  readonly build: string;
}

/**
 * The bundle of the present sources; it is built when `folder` does not have it. `folder` keeps bundles of earlier sources, too. `sources`
 * holds the rooms graph/ and workflows/.
 */
export async function workflowBundle(folder: string, sources = root): Promise<Bundle> {
  const build = await hashOfSources(sources);
  const codePath = join(folder, `workflows-${build}.js`);
  if (await exists(codePath)) return { codePath, build };
  await mkdir(folder, { recursive: true });
  // Written to another name first: two workers may start at the same time.
  const aside = `${codePath}.${process.pid}`;
  const entry = join(sources, 'workflows', 'index.ts');
  await run(process.execPath, ['--disable-warning=ExperimentalWarning', builder, aside, entry]);
  await writeFile(aside, (await readFile(aside, 'utf8')).replaceAll(BUILD, build));
  await rename(aside, codePath);
  return { codePath, build };
}

/** Covers what decides: rules, workflows and the version of the SDK. errors.ts is in the bundle, too, and decides nothing. */
async function hashOfSources(sources: string): Promise<string> {
  const hash = createHash('sha256');
  for (const room of ['graph', 'workflows']) {
    const names = (await readdir(join(sources, room), { recursive: true }))
      .filter((name) => name.endsWith('.ts'))
      .sort();
    for (const name of names) hash.update(name).update(await readFile(join(sources, room, name)));
  }
  hash.update(await readFile(join(root, 'package-lock.json')));
  return hash.digest('hex').slice(0, 16);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

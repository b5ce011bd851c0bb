/** The workflow bundle: built once per source state and kept in a file, so that workers start in a moment (1.6-3 s otherwise). */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
/** A process of its own: webpack leaves 250 MB behind, and a worker lives for weeks. */
const builder = fileURLToPath(new URL('bundle/main.ts', import.meta.url));
const run = promisify(execFile);

/** Path of the bundle for the present sources, built when missing. `folder` keeps bundles of earlier states beside it. */
export async function workflowBundle(folder: string): Promise<string> {
  const path = join(folder, `workflows-${await hashOfSources()}.js`);
  if (await exists(path)) return path;
  await mkdir(folder, { recursive: true });
  // Written aside and renamed: two workers may start at once.
  const aside = `${path}.${process.pid}`;
  await run(process.execPath, ['--disable-warning=ExperimentalWarning', builder, aside]);
  await rename(aside, path);
  return path;
}

/** Everything that can end up in the bundle: the rules, the workflows, and the SDK's version. */
async function hashOfSources(): Promise<string> {
  const hash = createHash('sha256');
  for (const room of ['graph', 'workflows']) {
    const names = (await readdir(join(root, room))).filter((name) => name.endsWith('.ts')).sort();
    for (const name of names) hash.update(name).update(await readFile(join(root, room, name)));
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

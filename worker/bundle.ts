/** The workflow bundle: built once per source state and kept in a file, so that workers start in a moment (1.6-3 s otherwise). */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Path of the bundle for the present sources, built when missing. `folder` keeps bundles of earlier states beside it. */
export async function workflowBundle(folder: string): Promise<string> {
  const path = join(folder, `workflows-${await hashOfSources()}.js`);
  if (await exists(path)) return path;
  const { code } = await bundleWorkflowCode({
    workflowsPath: join(root, 'workflows', 'index.ts'),
    logger: { ...silent },
    webpackConfigHook: (config) => ({
      ...config,
      resolve: { ...config.resolve, extensions: ['.ts', '.js'], fullySpecified: false },
    }),
  });
  await mkdir(folder, { recursive: true });
  // Written aside and renamed: two workers may start at once.
  const aside = `${path}.${process.pid}`;
  await writeFile(aside, code);
  await rename(aside, path);
  return path;
}

const nothing = (): void => {};
const silent = { log: nothing, trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };

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

/** Workflow bundles of changed sources: what a later version of the project would ship. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectFolder } from '../../config.ts';
import { type Bundle, workflowBundle } from '../../worker/bundle.ts';

/** The bundle of the present sources with one place of one file changed; throws when the place is not there. */
export async function doctoredBundle(file: string, place: string, instead: string): Promise<Bundle> {
  const home = join(projectFolder, '.sluice');
  // Within the project: the bundler finds the packages above it.
  const sources = await mkdtemp(join(home, 'doctored-'));
  try {
    for (const part of ['graph', 'workflows', 'errors.ts'])
      await cp(join(projectFolder, part), join(sources, part), { recursive: true });
    const text = await readFile(join(sources, file), 'utf8');
    if (!text.includes(place)) throw new Error(`${file} has no '${place}'`);
    await writeFile(join(sources, file), text.replace(place, instead));
    return await workflowBundle(join(home, 'bundles'), sources);
  } finally {
    await rm(sources, { recursive: true });
  }
}

/** One more timer before the record is loaded: no history of the present sources fits. */
export const incompatibleBundle = (): Promise<Bundle> =>
  doctoredBundle(
    'workflows/run.ts',
    'const { graph, state } = await load(',
    'await condition(() => false, 1);\n  const { graph, state } = await load(',
  );

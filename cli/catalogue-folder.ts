/** A catalogue as a folder of files: read as the API takes it, written as it gives it. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import type { CatalogueFile } from '../api/schemas/catalogue.ts';
import { SluiceError } from '../errors.ts';
import { writeOutput } from './output-file.ts';

/** YAML files and SQL programs below the folder, by path with `/`. Throws `usage` when there are none. */
export async function readCatalogueFolder(folder: string): Promise<CatalogueFile[]> {
  const found = await stat(folder).catch(() => null);
  if (found === null || !found.isDirectory()) throw new SluiceError('usage', `${folder} is no folder`);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile() && /\.(ya?ml|sql)$/.test(entry.name))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .filter((path) => !path.split(sep).some((step) => step === 'node_modules' || step.startsWith('.')))
    .sort();
  if (paths.length === 0) throw new SluiceError('usage', `${folder} holds no .yaml and no .sql file`);
  return Promise.all(
    paths.map(async (path) => ({
      path: path.split(sep).join('/'),
      text: await readFile(join(folder, path), 'utf8'),
    })),
  );
}

/**
 * Writes the files below the folder, which is made. What is there with other content is only replaced with `force`: throws `usage`, naming
 * it, before anything is written. Throws `file_unwritable` where a file stands in the way or nothing may be written.
 */
export async function writeCatalogueFolder(
  folder: string,
  files: readonly CatalogueFile[],
  force: boolean,
): Promise<void> {
  const root = resolve(folder);
  const targets = files.map((file) => ({ ...file, target: resolve(root, file.path) }));
  const outside = targets.find(({ target }) => !target.startsWith(root + sep));
  if (outside !== undefined)
    throw new SluiceError('internal', `the file ${outside.path} would lie outside ${folder}`);
  if (!force) {
    const there = await Promise.all(
      targets.map(async ({ target, text, path }) => {
        const present = await readFile(target, 'utf8').catch(() => null);
        return present !== null && present !== text ? path : null;
      }),
    );
    const differ = there.filter((path) => path !== null);
    if (differ.length > 0)
      throw new SluiceError(
        'usage',
        `${folder} has other content in ${differ.slice(0, 5).join(', ')}; --force replaces it`,
        {
          facts: { files: differ },
        },
      );
  }
  for (const { target, text } of targets) await writeOutput(target, text, { folders: true });
}

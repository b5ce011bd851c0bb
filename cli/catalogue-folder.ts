/** A catalogue as a folder of files: read as the API takes it, written as it gives it. */
import { isUtf8 } from 'node:buffer';
import { readFile, stat } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { type CatalogueFile, FILE_LIMIT, type GivenFile } from '../contract/catalogue.ts';
import { SluiceError } from '../errors.ts';
import { findFiles, type LeftOut, reasonOf, unreadable } from './folder-walk.ts';
import { writeOutput } from './output-file.ts';
import type { CatalogueProblem } from './text/catalogue-problem.ts';

export interface CatalogueFolder {
  readonly files: readonly GivenFile[];
  /** Files and links that cannot be read as part of the catalogue: it is not complete without them. */
  readonly problems: readonly CatalogueProblem[];
  /** What is not a part of a catalogue, e.g. a README. */
  readonly leftOut: readonly LeftOut[];
}

/** YAML files and SQL programs below the folder, by path with `/`. Throws `usage` when there is nothing of the kind. */
export async function readCatalogueFolder(folder: string): Promise<CatalogueFolder> {
  const found = await stat(folder).catch(() => null);
  if (found === null || !found.isDirectory()) throw new SluiceError('usage', `${folder} is no folder`);
  const { paths, problems, leftOut } = await findFiles(folder);
  if (paths.length === 0 && problems.length === 0)
    throw new SluiceError('usage', `${folder} holds no .yaml and no .sql file`);
  const read = await Promise.all(paths.map((path) => readOne(folder, path)));
  return {
    files: read.flatMap((entry) => ('code' in entry ? [] : [entry])),
    problems: [...problems, ...read.flatMap((entry) => ('code' in entry ? [entry] : []))],
    leftOut,
  };
}

/** The folder, complete. Throws `catalogue_invalid` with everything that could not be read. */
export async function readWholeFolder(folder: string): Promise<CatalogueFolder> {
  const read = await readCatalogueFolder(folder);
  const { problems } = read;
  if (problems.length > 0)
    throw new SluiceError(
      'catalogue_invalid',
      `${problems.length} files of ${folder} cannot be read; the first: ${problems[0]!.file}: ${problems[0]!.message.en}`,
      { facts: { count: problems.length, problems } },
    );
  return read;
}

/** Bytes are sent where they are not plain UTF-8: the API knows what the catalogue declares about them, and says what is wrong where. */
async function readOne(folder: string, path: string): Promise<GivenFile | CatalogueProblem> {
  try {
    const bytes = await readFile(join(folder, path));
    if (bytes.length > FILE_LIMIT)
      return unreadable(
        path,
        `it has ${bytes.length} bytes; a file of a catalogue has ${FILE_LIMIT} at most`,
        `文件大小 ${bytes.length} 字节，超过上限 ${FILE_LIMIT} 字节`,
      );
    const plain = isUtf8(bytes) && !bytes.includes(0) && bytes[0] !== 0xef;
    return plain ? { path, text: bytes.toString('utf8') } : { path, base64: bytes.toString('base64') };
  } catch (error) {
    const reason = reasonOf(error);
    return unreadable(path, reason.en, reason.zh);
  }
}

/**
 * Writes the files below the folder, which is made, as UTF-8. What is there with other content is only replaced with `force`: throws
 * `usage`, naming it, before anything is written. Throws `file_unwritable` where a file stands in the way or nothing may be written.
 */
export async function writeCatalogueFolder(
  folder: string,
  files: readonly CatalogueFile[],
  force: boolean,
): Promise<void> {
  const root = resolve(folder);
  const targets = files.map(({ path, text }) => ({
    path,
    bytes: Buffer.from(text, 'utf8'),
    target: resolve(root, path),
  }));
  const outside = targets.find(({ target }) => !target.startsWith(root + sep));
  if (outside !== undefined)
    throw new SluiceError('internal', `the file ${outside.path} would lie outside ${folder}`);
  if (!force) {
    const there = await Promise.all(
      targets.map(async ({ target, bytes, path }) => {
        const present = await readFile(target).catch(() => null);
        return present !== null && !present.equals(bytes) ? path : null;
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
  for (const { target, bytes } of targets) await writeOutput(target, bytes, { folders: true });
}

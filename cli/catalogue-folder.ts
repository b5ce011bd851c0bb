/** Reads and writes the files of a catalogue in a folder. */
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
  /** Files and links that cannot be read: the catalogue is not complete without them. */
  readonly problems: readonly CatalogueProblem[];
  /** Files that are not part of a catalogue, e.g. a README. */
  readonly leftOut: readonly LeftOut[];
}

/** Reads the YAML files and SQL programs below the folder; paths have `/`. Throws `usage` when there are none. */
export async function readCatalogueFolder(folder: string): Promise<CatalogueFolder> {
  const found = await stat(folder).catch(() => null);
  if (found === null || !found.isDirectory()) throw new SluiceError('usage', `${folder} is not a folder`);
  const { paths, problems, leftOut } = await findFiles(folder);
  if (paths.length === 0 && problems.length === 0)
    throw new SluiceError('usage', `${folder} contains no .yaml and no .sql file`);
  const read = await Promise.all(paths.map((path) => readOne(folder, path)));
  return {
    files: read.flatMap((entry) => ('code' in entry ? [] : [entry])),
    problems: [...problems, ...read.flatMap((entry) => ('code' in entry ? [entry] : []))],
    leftOut,
  };
}

/** Reads the complete folder. Throws `catalogue_invalid` with all files that cannot be read. */
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

/** A file that is not plain UTF-8 is sent as bytes: the API knows its declared encoding, and reports what is wrong at which place. */
async function readOne(folder: string, path: string): Promise<GivenFile | CatalogueProblem> {
  try {
    const bytes = await readFile(join(folder, path));
    if (bytes.length > FILE_LIMIT)
      return unreadable(
        path,
        `it has ${bytes.length} bytes; the limit for a file of a catalogue is ${FILE_LIMIT}`,
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
 * Writes the files below the folder as UTF-8, and makes the folder. Files with other content are overwritten only with `force`; without
 * it throws `usage` with their names before anything is written. Throws `file_unwritable` when a file cannot be written.
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
        `${folder} has other content in ${differ.slice(0, 5).join(', ')}; --force overwrites it`,
        {
          facts: { files: differ },
        },
      );
  }
  for (const { target, bytes } of targets) await writeOutput(target, bytes, { folders: true });
}

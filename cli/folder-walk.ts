/**
 * Finds the files of a catalogue below its folder, and lists what is left out and what is wrong. Symbolic links are followed when they
 * stay inside the folder.
 */
import { isUtf8 } from 'node:buffer';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { CatalogueProblem } from './text/catalogue-problem.ts';

export interface LeftOut {
  /** Relative, with `/`; a folder ends with `/`. */
  readonly path: string;
  /** `other_kind`: neither YAML nor SQL. `hidden`: its name begins with a dot, or is node_modules. `same_file`: a link to a file that is read itself. */
  readonly why: 'other_kind' | 'hidden' | 'same_file';
}

export interface FoundFiles {
  /** Files of the catalogue, sorted. */
  readonly paths: readonly string[];
  readonly problems: readonly CatalogueProblem[];
  readonly leftOut: readonly LeftOut[];
}

const CATALOGUE_FILE = /\.(ya?ml|sql)$/i;
const YAML_FILE = /\.ya?ml$/i;
/** Maximum length of the path of a catalogue file, characters. */
const PATH_LIMIT = 300;

type EntryType = 'file' | 'folder' | 'link' | 'other';

export async function findFiles(folder: string): Promise<FoundFiles> {
  const walk = new Walk(folder, await realpath(folder));
  await walk.folder('', [walk.root]);
  return walk.result();
}

class Walk {
  readonly root: string;
  readonly #folder: string;
  readonly #files: { readonly path: string; readonly real: string; readonly linked: boolean }[] = [];
  readonly #problems: CatalogueProblem[] = [];
  readonly #leftOut: LeftOut[] = [];

  constructor(folder: string, root: string) {
    this.#folder = folder;
    this.root = root;
  }

  /** `folders`: real paths of the folders from the root to this one, itself included. A link to one of them would be followed without end. */
  async folder(path: string, folders: readonly string[]): Promise<void> {
    let entries: Awaited<ReturnType<typeof namesIn>>;
    try {
      entries = await namesIn(join(this.#folder, path));
    } catch (error) {
      this.#refuse(path, reasonOf(error));
      return;
    }
    for (const { name, type } of entries) {
      if (!isUtf8(name)) {
        this.#refuse(join(path, name.toString('latin1')), {
          en: 'its name is not UTF-8 (shown as Latin-1): rename it',
          zh: '文件名不是 UTF-8（此处按 Latin-1 显示）：请重命名',
        });
        continue;
      }
      const below = path === '' ? name.toString('utf8') : `${path}/${name.toString('utf8')}`;
      await this.#entry(below, type, folders);
    }
  }

  async #entry(path: string, type: EntryType, folders: readonly string[]) {
    const name = path.slice(path.lastIndexOf('/') + 1);
    if (name.startsWith('.') || name === 'node_modules') {
      this.#leftOut.push({ path: type === 'folder' ? `${path}/` : path, why: 'hidden' });
      return;
    }
    const isCatalogueFile = CATALOGUE_FILE.test(name);
    if (type === 'folder') return this.folder(path, [...folders, join(folders.at(-1)!, name)]);
    if (type === 'link') return this.#link(path, isCatalogueFile, folders);
    if (!isCatalogueFile) this.#leftOut.push({ path, why: 'other_kind' });
    else if (type === 'other')
      this.#refuse(path, {
        en: 'it is not a file but e.g. a pipe or a socket',
        zh: '不是普通文件（如管道或套接字）',
      });
    else this.#file(path, join(folders.at(-1)!, name), false);
  }

  async #link(path: string, isCatalogueFile: boolean, folders: readonly string[]): Promise<void> {
    let real: string;
    let found: Awaited<ReturnType<typeof stat>>;
    try {
      real = await realpath(join(this.#folder, path));
      found = await stat(real);
    } catch (error) {
      this.#refuse(path, reasonOf(error));
      return;
    }
    if (!isCatalogueFile && !found.isDirectory()) this.#leftOut.push({ path, why: 'other_kind' });
    else if (real !== this.root && !real.startsWith(this.root + sep))
      this.#refuse(path, {
        en: `a link to ${real}, which lies outside the folder: copy the file into the folder`,
        zh: `符号链接指向目录之外的 ${real}：请将文件复制到目录内`,
      });
    else if (found.isDirectory()) {
      if (folders.includes(real))
        this.#refuse(path, {
          en: 'a link to a folder above it: following it would never end',
          zh: '符号链接指向其上级目录，形成循环',
        });
      else await this.folder(path, [...folders, real]);
    } else if (found.isFile()) this.#file(path, real, true);
    else
      this.#refuse(path, { en: 'a link to something that is not a file', zh: '符号链接指向的不是普通文件' });
  }

  #file(path: string, real: string, linked: boolean): void {
    if (path.includes('\\') || path.length > PATH_LIMIT)
      this.#refuse(path, {
        en: `the path holds a backslash or is longer than ${PATH_LIMIT} characters: rename the file`,
        zh: `路径含反斜杠或超过 ${PATH_LIMIT} 个字符：请重命名`,
      });
    else this.#files.push({ path, real, linked: linked || real !== join(this.root, ...path.split('/')) });
  }

  #refuse(path: string, reason: { readonly en: string; readonly zh: string }): void {
    this.#problems.push(unreadable(path === '' ? '.' : path, reason.en, reason.zh));
  }

  /** A YAML file that is found by several paths is read once, by its own path if it has one. An SQL file is read by each, as flows may name each. */
  result(): FoundFiles {
    const files = this.#files.sort(
      (a, b) => Number(a.linked) - Number(b.linked) || (a.path < b.path ? -1 : 1),
    );
    const read = new Set<string>();
    const paths: string[] = [];
    for (const { path, real } of files) {
      if (YAML_FILE.test(path) && read.has(real)) this.#leftOut.push({ path, why: 'same_file' });
      else paths.push(path);
      read.add(real);
    }
    return {
      paths: paths.sort(),
      problems: this.#problems,
      leftOut: this.#leftOut.sort((a, b) => (a.path < b.path ? -1 : 1)),
    };
  }
}

/** The entries of a folder, sorted. Names stay bytes, as a name that is not UTF-8 would be decoded to another name. */
async function namesIn(folder: string): Promise<{ name: Buffer; type: EntryType }[]> {
  const entries = await readdir(folder, { withFileTypes: true, encoding: 'buffer' });
  return entries
    .map((entry) => ({
      name: entry.name,
      type: entry.isSymbolicLink()
        ? ('link' as const)
        : entry.isDirectory()
          ? ('folder' as const)
          : entry.isFile()
            ? ('file' as const)
            : ('other' as const),
    }))
    .sort((a, b) => a.name.compare(b.name));
}

export function unreadable(path: string, en: string, zh: string): CatalogueProblem {
  return {
    code: 'file_unreadable',
    severity: 'error',
    message: { en, zh },
    id: null,
    file: path,
    line: null,
    column: null,
  };
}

/** Why something cannot be read, and what helps. */
export function reasonOf(error: unknown): { readonly en: string; readonly zh: string } {
  const { code, message } = error as { code?: string; message?: string };
  switch (code) {
    case 'ENOENT':
      return { en: 'a link to something that does not exist', zh: '符号链接的目标不存在' };
    case 'ELOOP':
      return { en: 'a link that leads back to itself', zh: '符号链接循环指向自身' };
    case 'EACCES':
    case 'EPERM':
      return { en: 'you have no permission to read it', zh: '没有读取权限' };
    default:
      return {
        en: `it cannot be read: ${message ?? String(error)}`,
        zh: `无法读取：${message ?? String(error)}`,
      };
  }
}

/** The files of a catalogue as text: decoded as the catalogue declares, every file that is no text named with the place. */

import type { GivenFile } from '../../contract/catalogue.ts';
import { encodingsOf } from '../../graph/catalogue/parse.ts';
import { decode, encodingFor, isTop, UTF8_MARK } from '../../graph/text/encodings.ts';
import type { Problem, ProblemCode } from '../../graph/text/problems.ts';
import type { CatalogueFile } from '../../store/catalogue/catalogue.ts';

export interface FileTexts {
  /** By path, without byte order marks. */
  readonly files: readonly CatalogueFile[];
  readonly problems: readonly Problem[];
  /** Paths of files that are there and cannot be read. */
  readonly unreadable: readonly string[];
}

export const isYaml = (path: string): boolean => /\.ya?ml$/i.test(path);

/** Files at the top are read first, as UTF-8: they may declare the encodings of the others. O(size). */
export function textOfFiles(given: readonly GivenFile[]): FileTexts {
  const problems: Problem[] = [];
  const unreadable: string[] = [];
  const read = (file: GivenFile, declared: string | null): CatalogueFile[] => {
    const found =
      file.base64 === undefined
        ? { text: withoutMark(file.text ?? '') }
        : decode(Buffer.from(file.base64, 'base64'), declared);
    if ('text' in found) {
      problems.push(...suspicions(file.path, found.text));
      return [{ path: file.path, text: found.text }];
    }
    unreadable.push(file.path);
    const { code, message, line, column } = found;
    problems.push({ ...fileProblem(code, file.path, message.en, message.zh), line, column });
    return [];
  };
  const top = given.filter(({ path }) => isTop(path) && isYaml(path));
  const tops = top.flatMap((file) => read(file, null));
  const encodings = encodingsOf(tops);
  const others = given.filter((file) => !top.includes(file));
  const files = [...tops, ...others.flatMap((file) => read(file, encodingFor(file.path, encodings)))];
  return { files: files.sort((a, b) => (a.path < b.path ? -1 : 1)), problems, unreadable };
}

/**
 * The stored files as an export gives them: UTF-8. One that the catalogue declares in another encoding begins with UTF-8's byte order
 * mark, so that the exported folder can be applied again as it is.
 */
export function exportedFiles(files: readonly CatalogueFile[]): CatalogueFile[] {
  const encodings = encodingsOf(files.filter(({ path }) => isTop(path) && isYaml(path)));
  if (encodings.size === 0) return [...files];
  return files.map(({ path, text }) => {
    const declared = isTop(path) && isYaml(path) ? null : encodingFor(path, encodings);
    return { path, text: declared === null || declared === 'utf-8' ? text : UTF8_MARK + text };
  });
}

const withoutMark = (text: string): string => (text.startsWith(UTF8_MARK) ? text.slice(1) : text);

/** Warnings: a mark in the middle comes from files that were joined, a replacement character from one that was read in a wrong encoding. */
function suspicions(path: string, text: string): Problem[] {
  const found: Problem[] = [];
  const warn = (sign: string, en: string, zh: string): void => {
    const at = text.indexOf(sign);
    if (at < 0) return;
    const lines = text.slice(0, at).split('\n');
    const place = { line: lines.length, column: lines.at(-1)!.length + 1 };
    found.push({ ...fileProblem('text_suspicious', path, en, zh), ...place, severity: 'warning' });
  };
  warn(
    UTF8_MARK,
    'a byte order mark (U+FEFF) stands within the text, where nobody sees it: remove it',
    '文本中间有不可见的 BOM (U+FEFF)，请删除',
  );
  warn(
    '\ufffd',
    'a replacement character (U+FFFD): the file was read in a wrong encoding and saved, its text is lost there',
    '含替换字符 (U+FFFD)：文件曾以错误编码读取后保存，此处文字已丢失',
  );
  return found;
}

/** A problem of a whole file. */
export function fileProblem(code: ProblemCode, file: string, en: string, zh: string): Problem {
  return {
    code,
    severity: 'error',
    message: { en, zh },
    path: [],
    id: null,
    file,
    line: null,
    column: null,
  };
}

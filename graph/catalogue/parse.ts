/**
 * Reads the files of a catalogue and finds all problems of form at once: YAML, unknown fields, values, ids used twice. Whether the entries fit
 * together is checked by graph/catalogue/build.ts; graph/catalogue/check.ts does both.
 */
import type { z } from 'zod';
import { Catalogue } from '../model.ts';
import { type Encodings, isTop, readEncodings } from '../text/encodings.ts';
import { numberWanted } from '../text/number-wanted.ts';
import { closest, type Finding, type Path, type Problem } from '../text/problems.ts';
import { DEPTH_LIMIT, FLAWS, flawIn, isStorable, type ValueFlaw } from '../text/storable-text.ts';
import { type Marks, NotPlain } from '../text/yaml-inline.ts';
import { markNodes, type NodeFlaw, readByPackage } from '../text/yaml-package.ts';
import { readYaml } from '../text/yaml-reader.ts';
import { findingsOf } from './shape.ts';

/** One file of the catalogue; `path` is used in messages only. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface ParsedCatalogue {
  /** All well-formed entries of all files, in the order of the files. */
  readonly catalogue: Catalogue;
  readonly problems: readonly Problem[];
  /** Ids of entries that were left out because of problems; references to them count as known. */
  readonly leftOut: ReadonlySet<string>;
  /** The place of a path of `catalogue`; for a default, which is not written, that of the nearest thing above it. */
  locate(path: Path, at?: 'key' | 'value'): Place | null;
}

type Section = keyof Catalogue;

/** Where an entry is written. */
interface Origin {
  readonly text: CatalogueText;
  readonly section: Section;
  readonly index: number;
}

const SECTIONS = Object.keys(Catalogue.shape) as Section[];
const ENTRY = Object.fromEntries(
  SECTIONS.map((section) => [section, Catalogue.shape[section].unwrap().element]),
) as unknown as Record<Section, z.ZodType>;

/** Sections whose ids share one name space, because a distribution becomes flows. */
const space = (section: Section): string => (section === 'distributions' ? 'flows' : section);

/**
 * Reads all files. 13,000 flows in 4.8 MB take 0.3 s on two cores; positions are looked up only for problems.
 */
export function parseCatalogue(files: readonly SourceFile[]): ParsedCatalogue {
  const problems: Problem[] = [];
  const leftOut = new Set<string>();
  const merged: Record<Section, unknown[]> = Object.fromEntries(
    SECTIONS.map((section) => [section, []]),
  ) as never;
  const origin: Record<Section, Origin[]> = Object.fromEntries(SECTIONS.map((s) => [s, []])) as never;
  /** Name space -> id -> where it is defined. */
  const defined = new Map<string, Map<string, Origin>>(SECTIONS.map((s) => [space(s), new Map()]));

  for (const file of files) {
    const text = new CatalogueText(file);
    const report = (finding: Finding) => {
      problems.push(placed(finding, text.place(finding.path, finding.at)));
    };
    const root = text.read((problem) => problems.push(problem));
    if (root === null) continue;
    for (const [key, list] of Object.entries(root)) {
      if (key === 'encodings') {
        for (const finding of readEncodings(list, isTop(file.path)).findings) report(finding);
        continue;
      }
      const section = SECTIONS.find((name) => name === key);
      if (section === undefined) {
        report(unknownSection(key));
        continue;
      }
      // `flows:` with nothing below it, e.g. all commented out, is an empty list.
      if (list === null) continue;
      if (!Array.isArray(list)) {
        report(invalid([key], `${key} must be a list`, `${key} 必须是列表`));
        continue;
      }
      const schema = ENTRY[section];
      const ids = defined.get(space(section))!;
      list.forEach((entry: unknown, index) => {
        if (text.broken.has(entry)) return;
        const id = idOf(entry);
        const flaw = text.mayEscape ? flawIn(entry) : null;
        if (flaw !== null) {
          if (id !== null && flaw.path[0] !== 'id') leftOut.add(id);
          report(notStorable(flaw, [section, index, ...flaw.path]));
          return;
        }
        const result = schema.safeParse(entry);
        if (!result.success) {
          // Others may name a distribution by its halves.
          const halves = section === 'distributions' ? ['', '.export', '.import'] : [''];
          if (id !== null) for (const half of halves) leftOut.add(id + half);
          for (const finding of findingsOf(schema, entry, [section, index], id)) report(finding);
          return;
        }
        const first = ids.get(id!);
        if (first !== undefined) {
          const place = first.text.place([first.section, first.index, 'id'], 'value');
          report(usedTwice([section, index, 'id'], id!, place));
          return;
        }
        const here = { text, section, index };
        ids.set(id!, here);
        merged[section].push(result.data);
        origin[section].push(here);
      });
    }
  }
  return {
    catalogue: merged as unknown as Catalogue,
    problems,
    leftOut,
    locate(path, at = 'value') {
      const [section, index, ...rest] = path;
      const from = origin[section as Section]?.[index as number];
      return from === undefined ? null : from.text.place([section as Section, from.index, ...rest], at);
    },
  };
}

/** Encodings that the files at the top of a catalogue declare for others. `parseCatalogue` reports mistakes in them. */
export function encodingsOf(files: readonly SourceFile[]): Encodings {
  const all = new Map<string, string>();
  for (const file of files) {
    if (!file.text.includes('encodings')) continue;
    const root = new CatalogueText(file).read(() => {});
    for (const [pattern, encoding] of readEncodings(root?.encodings, true).encodings)
      if (!all.has(pattern)) all.set(pattern, encoding);
  }
  return all;
}

/** A finding with its place. */
export function placed({ at: _, ...finding }: Finding, place: Place | null): Problem {
  return { ...finding, file: place?.file ?? null, line: place?.line ?? null, column: place?.column ?? null };
}

/** A file, or one entry of a list in it (`entry`), and where it begins in the file. */
interface Part {
  readonly text: string;
  readonly offset: number;
  readonly entry: boolean;
}

/** One file: its value, and its positions, which are read when the first problem needs them. */
class CatalogueText {
  readonly path: string;
  /** Entries that are not YAML; already reported. */
  readonly broken = new Set<unknown>();
  /** Whether an escape of YAML may hide a character that no file holds as such. */
  readonly mayEscape: boolean;
  readonly #text: string;
  #lineStarts: number[] | null = null;
  #marked: { root: unknown; marks: Marks } | null = null;

  constructor(file: SourceFile) {
    this.path = file.path;
    const text = file.text.charCodeAt(0) === 0xfeff ? file.text.slice(1) : file.text;
    this.#text = text.includes('\r') ? text.replaceAll('\r\n', '\n') : text;
    this.mayEscape = /\\[0xuU]/.test(text) || !isStorable(text);
  }

  /** The top mapping, or null when there is none to work with. */
  read(report: (problem: Problem) => void): Record<string, unknown> | null {
    const root = this.#value(null, report);
    if (root === null) return {};
    if (this.broken.has(root)) return null;
    if (typeof root === 'object' && !Array.isArray(root)) return root as Record<string, unknown>;
    const what = SECTIONS.join(', ');
    const finding = invalid(
      [],
      `a catalogue file has lists named ${what}`,
      `目录文件由这些列表组成：${what}`,
    );
    report(placed(finding, this.#at(0)));
    return null;
  }

  /** Where a path of this file's value stands. */
  place(path: Path, at: 'key' | 'value'): Place {
    if (this.#marked === null) {
      const marks: Marks = new Map();
      this.#marked = { marks, root: this.#value(marks, () => {}) };
    }
    let offset = 0;
    let value = this.#marked.root;
    for (const [depth, step] of path.entries()) {
      const place = this.#marked.marks.get(value as object)?.get(step);
      if (place === undefined) break;
      offset = depth === path.length - 1 && at === 'key' ? place.key : place.value;
      value = (value as Record<string | number, unknown>)[step];
    }
    return this.#at(offset);
  }

  #value(marks: Marks | null, report: (problem: Problem) => void): unknown {
    const found: Problem[] = [];
    let value: unknown;
    try {
      value = readYaml(
        this.#text,
        (text, offset) => this.#byPackage({ text, offset, entry: true }, marks, found),
        marks,
      );
    } catch (error) {
      if (!(error instanceof NotPlain)) throw error;
      // Reading the whole file reports the problems of single entries again.
      found.length = 0;
      value = this.#byPackage({ text: this.#text, offset: 0, entry: false }, marks, found);
    }
    for (const problem of found) report(problem);
    return value;
  }

  /** Reads a part of the file that the fast reader does not support, with the yaml package. */
  #byPackage({ text, offset, entry }: Part, marks: Marks | null, found: Problem[]): unknown {
    const { value, failures, flaws, document } = readByPackage(text);
    // An alias may refer to another entry; then the whole file has to be read.
    if (entry && failures.length > 0 && this.#text.includes('&')) throw new NotPlain();
    if (failures.length > 0) {
      // Within one entry further errors mostly follow from the first.
      if (entry) failures.length = 1;
      for (const { pos, message } of failures) found.push(placed(notYaml(message), this.#at(offset + pos)));
      const stub = {};
      this.broken.add(stub);
      return entry ? [stub] : stub;
    }
    for (const flaw of flaws) {
      const { en, zh } = wordsOf(flaw, entry);
      found.push(placed(invalid([], en, zh), this.#at(offset + flaw.pos)));
    }
    if (marks !== null) markNodes(document!, value, offset, marks);
    return value;
  }

  /** Line and column of an offset; columns count UTF-16 units, as editors do. */
  #at(offset: number): Place {
    this.#lineStarts ??= lineStarts(this.#text);
    let low = 0;
    let high = this.#lineStarts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#lineStarts[middle]! <= offset) low = middle;
      else high = middle;
    }
    return { file: this.path, line: low + 1, column: offset - this.#lineStarts[low]! + 1 };
  }
}

/** `entry`: the flaw is one of an entry that was read alone, of any list. */
function wordsOf({ message, rounded }: NodeFlaw, entry: boolean): NodeFlaw['message'] {
  if (rounded === undefined) return message;
  const { path, source, read } = rounded;
  const section = SECTIONS.find((name) => name === path[0]);
  const schemas = section === undefined || entry ? Object.values(ENTRY) : [ENTRY[section]];
  const wanted = numberWanted(schemas, path.slice(entry ? 1 : 2));
  if (wanted === null) return message;
  return {
    en: `${source} would arrive as ${read}: ${wanted.en}`,
    zh: `${source} 会读为 ${read}：${wanted.zh}`,
  };
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

function idOf(entry: unknown): string | null {
  const id = (entry as { id?: unknown } | null)?.id;
  return typeof id === 'string' ? id : null;
}

const invalid = (path: Path, en: string, zh: string): Finding => ({
  code: 'invalid_value',
  severity: 'error',
  message: { en, zh },
  path,
  id: null,
  at: 'value',
});

function unknownSection(key: string): Finding {
  const suggestion = closest(key, SECTIONS);
  const names = suggestion === null ? SECTIONS.join(', ') : `'${suggestion}'`;
  const message = {
    en: `unknown section '${key}'; possible names: ${names}`,
    zh: `未知列表 '${key}'；可用：${names}`,
  };
  return { code: 'unknown_field', severity: 'error', message, path: [key], id: null, at: 'key' };
}

function usedTwice(path: Path, id: string, first: Place): Finding {
  const where = `${first.file}:${first.line}:${first.column}`;
  const message = { en: `'${id}' is already defined in ${where}`, zh: `'${id}' 已在 ${where} 定义` };
  return { code: 'duplicate_id', severity: 'error', message, path, id, at: 'value' };
}

function notStorable({ what, inKey }: ValueFlaw, path: Path): Finding {
  if (what === 'too_deep')
    return invalid(
      path,
      `lists and mappings lie more than ${DEPTH_LIMIT} deep here`,
      `嵌套超过 ${DEPTH_LIMIT} 层`,
    );
  const { en, zh } = FLAWS[what];
  const where = inKey ? { en: 'a name here holds', zh: '名称含' } : { en: 'the text holds', zh: '文本含' };
  return {
    code: 'text_not_storable',
    severity: 'error',
    message: {
      en: `${where.en} ${en}, which cannot be stored: remove it`,
      zh: `${where.zh}${zh}，无法存储，请删除`,
    },
    path,
    id: null,
    at: 'value',
  };
}

const notYaml = ({ en, zh }: NodeFlaw['message']): Finding => ({
  code: 'yaml_syntax',
  severity: 'error',
  message: { en: `not YAML: ${en}`, zh: `YAML 语法错误：${zh}` },
  path: [],
  id: null,
  at: 'value',
});

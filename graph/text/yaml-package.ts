/**
 * Reads a text with the `yaml` package, and takes from its nodes what the values do not tell: how a number was written, how large the value is
 * with every alias written out, and where things stand.
 */
import {
  type Alias,
  type Document,
  isAlias,
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type Node,
  parseDocument,
  type Scalar,
  type YAMLMap,
} from 'yaml';
import { isExact } from './exact-number.ts';
import type { Sentence } from './sentence.ts';
import { DEPTH_LIMIT } from './storable-text.ts';
import type { Marks } from './yaml-inline.ts';

export interface NodeFlaw {
  /** Offset in the text. */
  readonly pos: number;
  /** `structure`: there is no value to work with. */
  readonly kind: 'structure' | 'value';
  readonly message: Sentence;
  /** A number that a double would round, and where it stands: where only a number is accepted, the advice is another one (number-wanted.ts). */
  readonly rounded?: { readonly path: readonly string[]; readonly source: string; readonly read: string };
}

/**
 * Maximum number of values, and of characters, of a file with every alias written out. Aliases within what other aliases mean can double the
 * size at each step.
 */
const VALUES_LIMIT = 1_000_000;
const CHARACTERS_LIMIT = 64 * 1024 * 1024;

interface Size {
  readonly values: number;
  readonly characters: number;
}

interface Failure {
  readonly pos: number;
  readonly message: NodeFlaw['message'];
}

/** What the yaml package makes of a text: its value, or `failures` that say why it has none. `flaws`: values that are not what was written. */
export function readByPackage(text: string): {
  value: unknown;
  failures: Failure[];
  flaws: readonly NodeFlaw[];
  document: Document.Parsed | null;
} {
  const failed = (failures: Failure[]) => ({ value: null, failures, flaws: [], document: null });
  const deep = deepPlace(text);
  if (deep >= 0) return failed([{ pos: deep, message: TOO_DEEP }]);
  try {
    // Warnings count, too: the package warns of a tag that it does not know, and leaves the tag out.
    const document = parseDocument(text, { prettyErrors: false, merge: true });
    const wrong = [...document.errors, ...document.warnings];
    if (wrong.length > 0)
      return failed(wrong.map(({ pos, message }) => ({ pos: pos[0], message: inWords(message) })));
    const flaws = flawsOf(document);
    const broken = flaws.filter(({ kind }) => kind === 'structure');
    if (broken.length > 0) return failed(broken);
    // The package's own limit is switched off: `flawsOf` has measured the value with every alias written out.
    return { value: document.toJS({ maxAliasCount: -1 }), failures: [], flaws, document };
  } catch (error) {
    return failed([{ pos: 0, message: inWords((error as Error).message) }]);
  }
}

const TOO_DEEP = {
  en: `lists and mappings lie more than ${DEPTH_LIMIT} deep in one another`,
  zh: `列表与映射嵌套超过 ${DEPTH_LIMIT} 层`,
};

/** A message of the package in both languages. A text that is nested too deep for it ends in an overflow of the stack, thrown or among its errors. */
const inWords = (message: string): NodeFlaw['message'] =>
  message.startsWith('Maximum call stack') ? TOO_DEEP : { en: message, zh: message };

/** Maximum number of brackets that are open at once, those within texts included. The package takes seconds to find out that they are too many. */
const BRACKETS_LIMIT = 1_000;

function deepPlace(text: string): number {
  let open = 0;
  for (const { 0: sign, index } of text.matchAll(/[[\]{}]/g)) {
    open = sign === '[' || sign === '{' ? open + 1 : Math.max(0, open - 1);
    if (open > BRACKETS_LIMIT) return index;
  }
  return -1;
}

/** Everything that is wrong with the nodes of a document, but only the first flaw of its structure. O(nodes). */
function flawsOf(document: Document.Parsed): NodeFlaw[] {
  const walk = new Walk();
  walk.node(document.contents, [], 0);
  return walk.flaws;
}

class Walk {
  readonly flaws: NodeFlaw[] = [];
  readonly #anchors = new Map<string, Node>();
  /** Sizes of the nodes with an anchor; null while a node is being read, as an alias that means it then lies within it. */
  readonly #sizes = new Map<Node, Size | null>();

  node(node: unknown, path: readonly string[], depth: number): Size {
    if (isAlias(node)) return this.#alias(node, path);
    const anchor = (node as Node | null)?.anchor;
    if (anchor !== undefined) {
      // An anchor may be given again: an alias means the last node before it that has the anchor.
      this.#anchors.set(anchor, node as Node);
      this.#sizes.set(node as Node, null);
    }
    let size: Size = { values: 1, characters: 1 };
    if (depth > DEPTH_LIMIT)
      this.#broken(
        node,
        `lists and mappings lie more than ${DEPTH_LIMIT} deep here`,
        `嵌套超过 ${DEPTH_LIMIT} 层`,
      );
    else if (isMap(node) || isSeq(node))
      for (const [i, item] of node.items.entries()) {
        const name = isPair(item) ? this.#key(item.key) : String(i);
        if (isPair(item) && isMergeKey(item.key)) this.#mergeable(item.value);
        const below = this.node(isPair(item) ? item.value : item, [...path, name], depth + 1);
        size = {
          values: size.values + below.values,
          characters: size.characters + name.length + below.characters,
        };
      }
    else if (isScalar(node)) {
      this.#scalar(node, path, startOf(node));
      size = { values: 1, characters: 1 + (node.source?.length ?? 0) };
    }
    if (anchor !== undefined) this.#sizes.set(node as Node, size);
    this.#limit(node, size);
    return size;
  }

  #alias(alias: Alias, path: readonly string[]): Size {
    const target = this.#anchors.get(alias.source);
    const size = target === undefined ? undefined : this.#sizes.get(target);
    if (size === undefined)
      this.#broken(
        alias,
        `there is no anchor &${alias.source} before this alias`,
        `此别名之前没有锚点 &${alias.source}`,
      );
    else if (size === null)
      this.#broken(
        alias,
        `the alias *${alias.source} lies within its own anchor`,
        `别名 *${alias.source} 位于其锚点之内`,
      );
    if (isScalar(target)) this.#scalar(target, path, startOf(alias));
    return size ?? { values: 1, characters: 1 };
  }

  #limit(node: unknown, { values, characters }: Size): void {
    if (values > VALUES_LIMIT || characters > CHARACTERS_LIMIT)
      this.#broken(
        node,
        `with its aliases written out this comes to more than ${VALUES_LIMIT} values or ${CHARACTERS_LIMIT} characters`,
        `别名展开后超过 ${VALUES_LIMIT} 个值或 ${CHARACTERS_LIMIT} 个字符`,
      );
  }

  /** `<<` takes a mapping, an alias of one, or a list of these. */
  #mergeable(value: unknown): void {
    const target = isAlias(value) ? this.#anchors.get(value.source) : value;
    const sources = isSeq(target) ? target.items : [target];
    for (const source of sources) {
      const map = isAlias(source) ? this.#anchors.get(source.source) : source;
      if (map !== undefined && !isMap(map))
        this.#broken(
          value,
          'what << merges is a mapping, or a list of mappings',
          '<< 只能合并映射或映射列表',
        );
    }
  }

  /** The name of a key. A number is refused when its name would not be what is written. */
  #key(key: unknown): string {
    if (!isScalar(key)) return String(key);
    if (isMergeKey(key)) return '<<';
    if (typeof key.value !== 'string' && key.source !== undefined && String(key.value) !== key.source)
      this.#asWritten(startOf(key), key.source, String(key.value));
    return String(key.value);
  }

  #scalar({ value, source }: Scalar, path: readonly string[], pos: number): void {
    if (source === undefined || (typeof value !== 'number' && typeof value !== 'boolean')) return;
    const read = Object.is(value, -0) ? '0' : String(value);
    if (read === source) return;
    if (isText(path)) this.#asWritten(pos, source, read);
    else if (typeof value === 'number' && !isExact(source))
      this.#asWritten(pos, source, read, { rounded: { path, source, read } });
  }

  #asWritten(pos: number, source: string, read: string, also: Pick<NodeFlaw, 'rounded'> = {}): void {
    this.flaws.push({
      ...also,
      pos,
      kind: 'value',
      message: {
        en: `${source} is read as a number or truth value and would arrive as ${read}: write it in quotes, "${source}"`,
        zh: `${source} 会按数字或真假值读为 ${read}，请加引号："${source}"`,
      },
    });
  }

  #broken(node: unknown, en: string, zh: string): void {
    if (this.flaws.some(({ kind }) => kind === 'structure')) return;
    this.flaws.push({ pos: startOf(node), kind: 'structure', message: { en, zh } });
  }
}

/** Whether a value is passed on as text, so that what is written counts and not the number that it means. */
const isText = (path: readonly string[]): boolean =>
  path.at(-1) === 'begins' || (path.at(-1) === 'value' && path.at(-3) === 'parameters');

const startOf = (node: unknown): number => (node as Node | null)?.range?.[0] ?? 0;

const isMergeKey = (key: unknown): boolean =>
  isScalar(key) && (key.value === '<<' || typeof key.value === 'symbol') && key.type === 'PLAIN';

/**
 * Notes where the entries of the package's nodes stand. What an alias or a merge key brings in has the place where it was written, because a
 * mistake in it has to be mended there.
 */
export function markNodes(document: Document.Parsed, value: unknown, offset: number, marks: Marks): void {
  const mark = (node: unknown, inner: unknown): void => {
    if (isAlias(node) || typeof inner !== 'object' || inner === null || !isCollection(node)) return;
    const places = new Map<string | number, { key: number; value: number }>();
    const start = (child: unknown, otherwise: number) =>
      ((child as Node | null)?.range?.[0] ?? otherwise) + offset;
    if (isMap(node)) {
      for (const [key, pair] of pairsOf(document, node)) {
        const keyAt = startOf(pair.key);
        places.set(key, { key: keyAt + offset, value: start(pair.value, keyAt) });
        mark(pair.value, (inner as Record<string, unknown>)[key]);
      }
    } else
      node.items.forEach((item, index) => {
        const at = start(item, startOf(node));
        places.set(index, { key: at, value: at });
        mark(item, (inner as unknown[])[index]);
      });
    marks.set(inner, places);
  };
  mark(document.contents, value);
}

type Pair = YAMLMap['items'][number];

/** The pairs of a mapping with those that `<<` brings in. Its own pairs come before those of `<<`, and earlier sources before later ones. */
function pairsOf(document: Document.Parsed, map: YAMLMap, depth = 0): Map<string, Pair> {
  const pairs = new Map<string, Pair>();
  for (const pair of map.items)
    if (!isMergeKey(pair.key))
      pairs.set(isScalar(pair.key) ? String(pair.key.value) : String(pair.key), pair);
  if (depth > DEPTH_LIMIT) return pairs;
  for (const pair of map.items) {
    if (!isMergeKey(pair.key)) continue;
    const value = isAlias(pair.value) ? pair.value.resolve(document) : pair.value;
    for (const source of isSeq(value) ? value.items : [value]) {
      const merged = isAlias(source) ? source.resolve(document) : source;
      if (!isMap(merged)) continue;
      for (const [key, below] of pairsOf(document, merged, depth + 1))
        if (!pairs.has(key)) pairs.set(key, below);
    }
  }
  return pairs;
}

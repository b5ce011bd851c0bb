/** What comments, titles of tests and documents refer to: rules of docs/protocol.md, files of the project, links. All of it exists. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectFolder } from '../../config.ts';
import { commentsOf } from '../support/comments.ts';

const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
  cwd: projectFolder,
  encoding: 'utf8',
})
  .split('\0')
  .filter((file) => existsSync(join(projectFolder, file)));
const known = new Set([
  ...tracked,
  ...tracked.flatMap((file) => file.split('/').map((_, i, parts) => parts.slice(0, i).join('/'))),
]);
const textOf = (file: string): string => readFileSync(join(projectFolder, file), 'utf8');

/** Parts of a text that are written for people: comments and titles of tests; of documents everything. */
function prose(file: string): string[] {
  const text = textOf(file);
  if (file.endsWith('.md')) return text.split('\n');
  const comments = commentsOf(file, text);
  if (!/\.m?[tj]s$/.test(file)) return comments;
  const titles = text.matchAll(/^\s*(?:describe|test|it)(?:\.\w+)*\(\s*(['"`])(.+?)\1/gm);
  return [...comments, ...[...titles].map(([, , title]) => title!)];
}

const readable = tracked.filter(
  (file) =>
    /\.(ts|mts|mjs|sql|sh|md|yaml|yml)$|^\.env\.example$|^\.ci\/run$/.test(file) &&
    file !== 'test/house/citations.test.ts',
);
const lines = readable.flatMap((file) => prose(file).map((line) => ({ file, line })));
const documents = readable.filter((file) => file.endsWith('.md'));

describe('rules', () => {
  const protocol = textOf('docs/protocol.md');
  const rules = new Set([...protocol.matchAll(/^### ([A-F]\d+) /gm)].map(([, rule]) => rule!));

  test('every rule that is cited has its heading in docs/protocol.md', () => {
    // `C6`, `(protocol C1, C8)`, `C3: ...`; not `C6.Flow` or `x-A1`.
    const RULE = /(?<![\w./-])([A-F][1-9]\d?)(?:-([A-F][1-9]\d?))?(?!\w|[.-]\w)/g;
    const cited = lines.flatMap(({ file, line }) =>
      [...line.matchAll(RULE)].flatMap(([, first, last]) =>
        [first!, ...(last === undefined ? [] : [last])].map((rule) => ({ file, rule })),
      ),
    );
    expect(cited.length).toBeGreaterThan(300);
    const unknown = cited.filter(({ rule }) => !rules.has(rule));
    expect(unknown.map(({ file, rule }) => `${file}: ${rule}`)).toEqual([]);
  });

  test('the code cites no range of rules: a list names those that the file carries out', () => {
    const ranges = lines.filter(
      ({ file, line }) => !file.endsWith('.md') && /\b[A-F]\d+-[A-F]?\d+\b/.test(line),
    );
    expect(ranges.map(({ file, line }) => `${file}: ${line.slice(0, 120)}`)).toEqual([]);
  });

  test('comments of the code cite a rule as `protocol A5`, or in a list after that word', () => {
    const RULE =
      /(?<![\w./-]|\brules? )(?:[Pp]rotocol )?[A-F][1-9]\d?(?:(?:, | and | or )[A-F][1-9]\d?\b)*(?!\w|[.-]\w)/g;
    const code = readable.filter((file) => /\.m?ts$/.test(file) && !file.startsWith('test/'));
    const cited = code.flatMap((file) =>
      commentsOf(file, textOf(file)).flatMap((comment) =>
        (comment.match(RULE) ?? []).map((rule) => ({ file, rule })),
      ),
    );
    expect(cited.length).toBeGreaterThan(200);
    expect(cited.filter(({ rule }) => !/^protocol/i.test(rule))).toEqual([]);
  });

  test('no citation goes over the end of a line: a search for `protocol [^)]*A5` finds it', () => {
    const BROKEN = /\bprotocol(?: [A-F]\d+,?(?: and| or)?)*[ \t]*\n[ \t]*(?:\*|\/\/|--|#)[ \t]*[A-F]\d+\b/gi;
    const broken = readable.flatMap((file) =>
      [...textOf(file).matchAll(BROKEN)].map(([text]) => `${file}: ${text}`),
    );
    expect(broken).toEqual([]);
  });

  test('what is cited without its text is a rule, a decision, a query or a document: no other numbers', () => {
    const foreign =
      /\b(?:[Dd]omain|[Dd]esign|[Rr]esearch)(?:\.md|\/\w+)?,? \(?(?:[A-Z]\d\d|\d)|\bM\d\d\b(?!['"])/;
    const found = lines.filter(({ line }) => foreign.test(line));
    expect(found.map(({ file, line }) => `${file}: ${line.trim().slice(0, 120)}`)).toEqual([]);
  });

  test('every decision that is cited exists', () => {
    const decisions = new Set(tracked.flatMap((file) => /^docs\/decisions\/(\d{4})-/.exec(file)?.[1] ?? []));
    const cited = lines.flatMap(({ file, line }) =>
      [...line.matchAll(/\bdecisions?[ /](\d{4})\b/gi)].map(([, number]) => ({ file, number: number! })),
    );
    expect(cited.length).toBeGreaterThan(50);
    expect(cited.filter(({ number }) => !decisions.has(number))).toEqual([]);
  });
});

describe('files', () => {
  /** What looks like a path: folders, and a file with an ending that the project has. */
  const PATH =
    /(?<![\w@/.:$}{<-])((?:\.{1,2}\/)?(?:[\w-]+\/)+[\w.-]+\.(?:ts|mts|mjs|sql|md|yaml|json|sh))\b/g;
  /** Files that are made, not committed. */
  const MADE = ['compose/cli.json'];
  /** Relative to the project, or to the file that names it. A path whose first folder is at neither place is of somebody else's project. */
  const placesOf = (file: string, path: string): string[] =>
    ['', dirname(file)]
      .filter((folder) => path.startsWith('.') || known.has(normalize(join(folder, path.split('/')[0]!))))
      .map((folder) => normalize(join(folder, path)));

  test('every path of a file that a comment or a document names exists', () => {
    const named = lines.flatMap(({ file, line }) =>
      [...line.matchAll(PATH)].map(([, path]) => ({ file, path: path! })),
    );
    expect(named.length).toBeGreaterThan(200);
    const missing = named.filter(({ file, path }) => {
      const places = placesOf(file, path);
      return places.length > 0 && !places.some((place) => known.has(place) || MADE.includes(place));
    });
    expect(missing.map(({ file, path }) => `${file}: ${path}`)).toEqual([]);
  });

  test('every folder that a document names, written `graph/run/`, exists', () => {
    const rooms = new Set(tracked.filter((file) => file.includes('/')).map((file) => file.split('/')[0]!));
    const named = lines
      .filter(({ file }) => file.endsWith('.md') && !/^docs\/decisions\/|^CHANGELOG/.test(file))
      .flatMap(({ file, line }) =>
        [...line.matchAll(/`((?:[a-z][\w-]*\/)+)`/g)].map(([, folder]) => ({
          file,
          folder: folder!.slice(0, -1),
        })),
      )
      .filter(({ folder }) => folder.includes('/') && rooms.has(folder.split('/')[0]!));
    expect(named.length).toBeGreaterThan(10);
    const missing = named.filter(({ folder }) => !known.has(folder));
    expect(missing.map(({ file, folder }) => `${file}: ${folder}/`)).toEqual([]);
  });

  test('every test that docs/reliability.md names by its folder and name exists', () => {
    const named = [...textOf('docs/reliability.md').matchAll(/`([a-z-]+(?:\/[a-z-]+)+)`/g)].map(
      ([, name]) => name!,
    );
    const tests = named.filter((name) => known.has(`test/${name.split('/')[0]}`));
    expect(tests.length).toBeGreaterThan(10);
    expect(tests.filter((name) => !known.has(`test/${name}.test.ts`))).toEqual([]);
  });
});

describe('links', () => {
  /** As GitHub makes the anchor of a heading. */
  const anchorOf = (heading: string): string =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-');
  /** Chinese editions also carry the anchors of the English headings, each as `<a id="...">`. */
  const anchorsOf = (file: string): Set<string> =>
    new Set([
      ...[...textOf(file).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading!)),
      ...[...textOf(file).matchAll(/^<a id="([\w-]+)"><\/a>$/gm)].map(([, id]) => id!),
    ]);

  test('every link between documents leads to a file and a heading that exist', () => {
    const broken: string[] = [];
    for (const file of documents)
      for (const [, to] of textOf(file).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^https?:/.test(to!)) continue;
        const [path, anchor] = to!.split('#');
        const target = path === '' ? file : normalize(join(dirname(file), path!));
        if (!known.has(target)) broken.push(`${file}: ${to}`);
        else if (anchor !== undefined && !anchorsOf(target).has(anchor)) broken.push(`${file}: ${to}`);
      }
    expect(broken).toEqual([]);
  });

  test('docs/README.md leads to every document', () => {
    const index = textOf('docs/README.md');
    const missing = documents.filter(
      (file) =>
        file.startsWith('docs/') && file !== 'docs/README.md' && !index.includes(`(${file.slice(5)})`),
    );
    expect(missing).toEqual([]);
  });
});

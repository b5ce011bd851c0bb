import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectFolder } from '../../config.ts';

/** Files of the project, tracked or about to be: everything git does not ignore. */
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
  cwd: projectFolder,
  encoding: 'utf8',
})
  .split('\0')
  .filter((part) => part !== '' && existsSync(join(projectFolder, part)));
const text = (file: string) => readFileSync(join(projectFolder, file), 'utf8');

interface Import {
  readonly file: string;
  /** A path in the project (graph/model.ts), a package (pg) or node:something. */
  readonly target: string;
  readonly typeOnly: boolean;
}

/** A file without its comments. */
const codeOf = (file: string) =>
  text(file)
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '');

/** What a file imports: static, re-exported, dynamic with a literal. */
function importsOf(file: string): Import[] {
  const code = codeOf(file);
  const found: Import[] = [];
  const add = (specifier: string, typeOnly: boolean) => {
    const target = specifier.startsWith('.') ? normalize(join(dirname(file), specifier)) : specifier;
    found.push({ file, target, typeOnly });
  };
  for (const [, kind, what, specifier] of code.matchAll(
    /^\s*(import|export)\s+(type\s+)?(?:[\w$*\s{},]*?from\s+)?'([^']+)'/gm,
  )) {
    if (kind !== undefined && specifier !== undefined) add(specifier, what !== undefined);
  }
  for (const [, specifier] of code.matchAll(/\bimport\(\s*'([^']+)'\s*\)/g))
    if (specifier !== undefined) add(specifier, false);
  return found;
}

const typescript = files.filter((file) => /\.(ts|mts)$/.test(file));
const imports = typescript.flatMap(importsOf);
const roomOf = (path: string) => (path.includes('/') ? (path.split('/')[0] ?? '') : path);
const rooms = new Set(
  typescript
    .filter((entry) => entry.includes('/'))
    .map(roomOf)
    .filter((entry) => entry !== 'test'),
);

/** The table of rooms: which other rooms, root files and packages a room may import. `node:` stands for all of Node's modules. */
const MAY_IMPORT: Record<string, readonly (string | RegExp)[]> = {
  graph: ['encoding.ts', 'errors.ts', 'zod', 'yaml', 'graphology', 'graphology-dag', 'graphology-types'],
  sql: ['errors.ts'],
  contract: ['encoding.ts', 'graph', 'zod'],
  workflows: ['errors.ts', 'graph', /^@temporalio\/workflow/],
  activities: ['errors.ts', 'graph', 'store', '@temporalio/activity', 'node:'],
  store: ['errors.ts', 'graph', 'sql', 'pg', 'pg-copy-streams', 'zod', 'node:'],
  services: [
    'errors.ts',
    'encoding.ts',
    'contract',
    'graph',
    'sql',
    'store',
    'pg',
    'zod',
    'csv-stringify/sync',
    'write-excel-file/node',
    'libpg-query',
    'node:',
  ],
  api: [
    'errors.ts',
    'config.ts',
    'encoding.ts',
    'logging.ts',
    'contract',
    'graph',
    'store',
    'services',
    'workflows/messages.ts',
    '@temporalio/client',
    'pg',
    'zod',
    'fastify',
    'fastify-type-provider-zod',
    '@fastify/swagger',
    'node:',
  ],
  worker: [
    'errors.ts',
    'config.ts',
    'logging.ts',
    'graph',
    'store',
    'activities',
    'workflows/messages.ts',
    /^@temporalio\/(worker|client)/,
    'pg',
    'pino',
    'node:',
  ],
  agent: [
    'errors.ts',
    'config.ts',
    'encoding.ts',
    'logging.ts',
    'contract',
    'platforms',
    'pg',
    'zod',
    'node:',
  ],
  platforms: ['encoding.ts', 'errors.ts', 'sql', 'pg', 'pg-copy-streams', 'zod', 'node:'],
  cli: ['errors.ts', 'config.ts', 'contract', 'embedded', 'commander', 'zod', 'yaml', 'node:'],
  console: ['errors.ts', 'contract', 'node:'],
  embedded: ['errors.ts', 'config.ts', 'pg', '@temporalio/testing', 'node:'],
  bench: [
    'errors.ts',
    'config.ts',
    'cli/client.ts',
    'cli/http.ts',
    'cli/profile.ts',
    'contract',
    'embedded',
    'workflows/messages.ts',
    '@temporalio/client',
    'pg',
    'zod',
    'node:',
    // What the rules alone cost: bench/load/rules.ts.
    'graph',
    // Months of history do not come through the API: finished runs are written whole.
    'store/history/past-run.ts',
    'store/history/past-runs.ts',
    'store/catalogue/catalogue.ts',
    'store/schema/pool.ts',
  ],
  catalogue: ['errors.ts', 'config.ts', 'pg', 'pg-copy-streams', 'node:'],
};

/** Rooms of which a room takes types only. */
const TYPES_OF: Record<string, readonly string[]> = {
  workflows: ['activities'],
  platforms: ['contract'],
  store: ['contract'],
};

/**
 * Wings of a room, a line for each level from the lowest: a wing imports only wings of lower levels. Files at the top of a room belong to
 * no wing.
 */
const WINGS: Record<string, readonly (readonly string[])[]> = {
  graph: [
    ['text'],
    ['calendar'],
    ['compiled'],
    ['usual'],
    ['run'],
    ['verbs'],
    ['impact', 'why'],
    ['rules'],
    ['catalogue', 'timing'],
  ],
  store: [
    ['schema'],
    ['catalogue'],
    ['record'],
    ['operations'],
    ['agents'],
    ['schedules'],
    ['history', 'retention', 'rules'],
  ],
  services: [
    ['programs', 'agents'],
    ['lineage', 'runs'],
    ['timing'],
    ['catalogue'],
    ['operations', 'upkeep', 'why'],
    ['rerun'],
    ['queries', 'rules'],
  ],
  platforms: [['shell', 'sql'], ['copy']],
};

const allowed = (room: string, target: string) =>
  roomOf(target) === room ||
  target === 'package.json' ||
  (MAY_IMPORT[room] ?? []).some((entry) =>
    entry instanceof RegExp
      ? entry.test(target)
      : target === entry || target.startsWith(entry.endsWith(':') ? entry : `${entry}/`),
  );

const shown = ({ file, target }: Import) => `${file} imports ${target}`;

describe('the house', () => {
  test('every room has its line in the table of rooms', () => {
    expect([...rooms].filter((room) => MAY_IMPORT[room] === undefined)).toEqual([]);
  });

  test('docs/house.md has a row for every room', () => {
    const rows = [...text('docs/house.md').matchAll(/^\| `(\w+)\/` \|/gm)].map(([, room]) => room!);
    expect(rows.toSorted()).toEqual([...rooms].toSorted());
  });

  test('data walks one way: a room imports only what the table of rooms lets it', () => {
    const wrong = imports.filter(({ file, target, typeOnly }) => {
      const room = roomOf(file);
      if (!rooms.has(room) || allowed(room, target)) return false;
      // Types cost nothing at run time: those of packages are free.
      const ofRoom = rooms.has(roomOf(target)) || target.endsWith('.ts');
      return !(typeOnly && (!ofRoom || TYPES_OF[room]?.includes(roomOf(target))));
    });
    expect(wrong.map(shown)).toEqual([]);
  });

  test('no wing of a room imports a wing above it or beside it', () => {
    const levels = new Map<string, number>(
      Object.entries(WINGS).flatMap(([room, rows]) =>
        rows.flatMap((wings, level) => wings.map((wing) => [`${room}/${wing}`, level] as const)),
      ),
    );
    const wingOf = (path: string): string | null => {
      const parts = path.split('/');
      return parts.length > 2 && parts[0]! in WINGS ? `${parts[0]}/${parts[1]}` : null;
    };
    const wings = new Set(typescript.map(wingOf).filter((wing) => wing !== null));
    expect([...wings].filter((wing) => !levels.has(wing))).toEqual([]);
    const wrong = imports.filter(({ file, target }) => {
      const [from, to] = [wingOf(file), wingOf(target)];
      return (
        from !== null &&
        to !== null &&
        from !== to &&
        roomOf(file) === roomOf(target) &&
        levels.get(to)! >= levels.get(from)!
      );
    });
    expect(wrong.map(shown)).toEqual([]);
  });

  test('no files import each other in a circle, types counted', () => {
    const importsBy = Map.groupBy(
      imports.filter(({ target }) => typescript.includes(target)),
      ({ file }) => file,
    );
    const settled = new Set<string>();
    const circles: string[] = [];
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
      if (settled.has(file) || path.includes(file)) return;
      for (const { target } of importsBy.get(file) ?? []) visit(target, [...path, file]);
      settled.add(file);
    };
    for (const file of typescript) visit(file, []);
    expect(circles).toEqual([]);
  });

  test('a folder has at most 20 files of source', () => {
    // A file of these is a noun each: a route, a command, a schema.
    const nouns = ['contract', 'api/routes', 'cli/commands'];
    const folders = Map.groupBy(
      files.filter((file) => /\.(ts|mjs)$/.test(file) && !file.startsWith('test/')),
      (file) => dirname(file),
    );
    const long = [...folders].filter(([folder, list]) => !nouns.includes(folder) && list.length > 20);
    expect(long.map(([folder, list]) => `${folder}: ${list.length}`)).toEqual([]);
  });

  test('zod and graphology stay out of the workflow bundle: rules take only types from the files that load them', () => {
    const loads = (file: string, seen = new Set<string>()): string[] => {
      if (seen.has(file)) return [];
      seen.add(file);
      const real = imports.filter((other) => other.file === file && !other.typeOnly);
      const heavy = real.filter(({ target }) => /^(zod|yaml|graphology|node:|pg$)/.test(target));
      return [
        ...heavy.map(shown),
        ...real.filter((entry) => entry.target.endsWith('.ts')).flatMap((entry) => loads(entry.target, seen)),
      ];
    };
    const workflows = typescript.filter((entry) => entry.startsWith('workflows/'));
    expect(workflows.flatMap((workflow) => loads(workflow))).toEqual([]);
  });

  test('only the store and platforms speak SQL', () => {
    /** Rooms with databases of their own: what ships makes sample data, embedded and bench keep servers. */
    const exempt = ['catalogue', 'embedded', 'bench', 'test'];
    /** A literal that begins like a statement. Words such as `select` in texts about programs of users are none. */
    const statement =
      /['"`]\s*(?:select\s[^'"`]*?(?:\sfrom\s|\w\()|insert\s+into\s+\w|update\s+\w+\s+(?:\w+\s+)?set\s|delete\s+from\s|with\s+\w+\s+as\s+\()/gi;
    const call = /\.query\s*[(<]|\.send\(\s*['"`{]/g;
    const speaks = (file: string): boolean => {
      const code = codeOf(file);
      return [statement, call].some((pattern) => code.search(pattern) >= 0);
    };
    const speakers = typescript.filter(speaks);
    expect(speakers).toContain('store/record/run-log.ts');
    expect(speakers.filter((file) => !['store', 'platforms', ...exempt].includes(roomOf(file)))).toEqual([]);
  });

  test('only yaml-package.ts of the graph reads YAML', () => {
    const wrong = imports.filter(
      ({ file, target }) =>
        roomOf(file) === 'graph' && target === 'yaml' && file !== 'graph/text/yaml-package.ts',
    );
    expect(wrong.map(shown)).toEqual([]);
  });

  test('only config.ts reads the environment', () => {
    const readers = typescript.filter(
      (entry) => entry !== 'config.ts' && !entry.startsWith('test/') && /\bprocess\.env\b/.test(text(entry)),
    );
    expect(readers).toEqual([]);
  });

  test('only main files and the embedded parts load the configuration; everything else receives values', () => {
    const wrong = imports.filter(
      ({ file, target }) =>
        target === 'config.ts' && !file.startsWith('test/') && !/\/main\.ts$|^(embedded|bench)\//.test(file),
    );
    expect(wrong.map(shown)).toEqual([]);
  });

  test('every file of the product fits one sitting: at most 350 lines', () => {
    // Tables of data may be longer.
    const tables = ['errors.ts'];
    const long = files
      .filter(
        (file) => /\.(ts|mts|mjs|sql)$/.test(file) && !file.startsWith('test/') && !tables.includes(file),
      )
      .map((file) => [file, text(file).split('\n').length] as const)
      .filter(([, lines]) => lines > 350);
    expect(long).toEqual([]);
  });

  test('no literal is spread: its entries stand in the list or the object themselves', () => {
    const closes: Readonly<Record<string, string>> = { '[': ']', '{': '}' };
    /** Places where a whole literal is spread; `...[a, b].map(f)` spreads what map answers. */
    const spreads = (code: string): string[] =>
      [...code.matchAll(/(?<=[([{,]\s*)\.\.\.(?=[[{])/g)].flatMap(({ index }) => {
        let depth = 0;
        let end = index + 3;
        for (; end < code.length; end++) {
          if (code[end]! in closes) depth++;
          if (code[end] === ']' || code[end] === '}') depth--;
          if (depth === 0) break;
        }
        const after = code.slice(end + 1).trimStart()[0];
        return after === '.' || after === '[' || code.startsWith('[]', index + 3)
          ? []
          : [code.slice(index, end + 1)];
      });
    expect(typescript.flatMap((file) => spreads(text(file)).map((found) => `${file}: ${found}`))).toEqual([]);
  });

  test('what a class keeps to itself is #private', () => {
    expect(typescript.filter((file) => /^\s+private\s(?!constructor)/m.test(text(file)))).toEqual([]);
  });

  test('no drawers: a file is named after what it does', () => {
    expect(files.filter((file) => /(^|\/)(utils?|helpers?|common|misc)(\/|\.m?[jt]s$)/.test(file))).toEqual(
      [],
    );
  });

  test('an import names its file with its ending', () => {
    const wrong = imports.filter(
      ({ target }) =>
        roomOf(target) !== target && rooms.has(roomOf(target)) && !/\.(ts|mjs|json)$/.test(target),
    );
    expect(wrong.map(shown)).toEqual([]);
  });
});

describe('what is committed', () => {
  const readable = files.filter((file) => !/\.(png|gz|zip|ico)$/.test(file));

  test('names no path of a machine', () => {
    const path = /(^|[\s"'`(=:])\/(work|farm|root|home\/[a-z]+|tmp\/[a-z0-9]+)\/[a-z.]/im;
    expect(
      readable.filter((entry) => entry !== 'test/house/imports.test.ts' && path.test(text(entry))),
    ).toEqual([]);
  });

  test('names no package registry', () => {
    const host = new RegExp(['registry\\.npmjs', 'pypi\\.org', 'npmmirror', 'pythonhosted'].join('|'), 'i');
    expect(
      readable.filter((entry) => entry !== 'test/house/imports.test.ts' && host.test(text(entry))),
    ).toEqual([]);
  });

  test('the lock file holds no hosts, and every package its checksum', () => {
    const { packages } = JSON.parse(text('package-lock.json')) as {
      packages: Record<string, { resolved?: string; integrity?: string; link?: boolean; inBundle?: boolean }>;
    };
    const entries = Object.entries(packages).filter(([path]) => path !== '');
    expect(entries.filter(([, it]) => it.resolved !== undefined).map(([path]) => path)).toEqual([]);
    expect(
      entries.filter(([, it]) => it.integrity === undefined && !it.inBundle).map(([path]) => path),
    ).toEqual([]);
  });
});

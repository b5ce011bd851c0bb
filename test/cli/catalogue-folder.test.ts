import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readCatalogueFolder, readWholeFolder, writeCatalogueFolder } from '../../cli/catalogue-folder.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-folder-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function put(path: string, content: string | Uint8Array = 'flows: []\n'): void {
  mkdirSync(join(folder, dirname(path)), { recursive: true });
  writeFileSync(join(folder, path), content);
}
function link(path: string, target: string): void {
  mkdirSync(join(folder, dirname(path)), { recursive: true });
  symlinkSync(target, join(folder, path));
}
async function read() {
  const { files, problems, leftOut } = await readCatalogueFolder(folder);
  return {
    files: files.map(({ path }) => path),
    problems: problems.map(({ code, file, message }) => `${code} ${file}: ${message.en}`),
    leftOut: leftOut.map(({ path, why }) => `${path} ${why}`),
  };
}

describe('a folder', () => {
  test('is read with extensions in any case, and everything left out is named', async () => {
    for (const path of [
      'a.yaml',
      'B.YML',
      'programs/C.SQL',
      'programs/d.Sql',
      'README.md',
      'programs/e.sql.bak',
    ])
      put(path);
    put('.git/config');
    put('.hidden.yaml');
    put('node_modules/x/p.yaml');
    expect(await read()).toEqual({
      files: ['B.YML', 'a.yaml', 'programs/C.SQL', 'programs/d.Sql'],
      problems: [],
      leftOut: [
        '.git/ hidden',
        '.hidden.yaml hidden',
        'README.md other_kind',
        'node_modules/ hidden',
        'programs/e.sql.bak other_kind',
      ],
    });
  });

  test('links to files and folders inside it are followed', async () => {
    put('shared/a.sql', 'select 1');
    put('..data/p.yaml');
    link('p.yaml', '..data/p.yaml');
    link('programs', 'shared');
    link('programs-of-one/b.sql', '../shared/a.sql');
    link('notes', 'README.md');
    put('README.md');
    expect(await read()).toEqual({
      files: ['p.yaml', 'programs-of-one/b.sql', 'programs/a.sql', 'shared/a.sql'],
      problems: [],
      leftOut: ['..data/ hidden', 'README.md other_kind', 'notes other_kind'],
    });
  });

  test('definitions that two ways lead to count once', async () => {
    put('v2/p.yaml');
    put('v2/a.sql', 'select 1');
    link('current', 'v2');
    expect(await read()).toEqual({
      files: ['current/a.sql', 'v2/a.sql', 'v2/p.yaml'],
      problems: [],
      leftOut: ['current/p.yaml same_file'],
    });
  });

  test('links that lead outside, nowhere or in a circle are refused, each by name', async () => {
    put('p.yaml');
    link('out.sql', '/etc/hostname');
    link('outside', '/etc');
    link('gone.sql', 'nothing.sql');
    link('self.yaml', 'self.yaml');
    link('deep/up', '..');
    const { files, problems } = await read();
    expect(files).toEqual(['p.yaml']);
    expect(problems).toEqual([
      'file_unreadable deep/up: a link to a folder above it: following it would never end',
      'file_unreadable gone.sql: a link to something that does not exist',
      expect.stringMatching(/^file_unreadable out\.sql: a link to .*outside the folder/),
      expect.stringMatching(/^file_unreadable outside: a link to .*outside the folder/),
      'file_unreadable self.yaml: a link that leads back to itself',
    ]);
    await expect(readWholeFolder(folder)).rejects.toMatchObject({
      code: 'catalogue_invalid',
      facts: { count: 5 },
    });
  });

  test('the folder itself may be a link', async () => {
    put('real/p.yaml');
    link('linked', 'real');
    const { files } = await readCatalogueFolder(join(folder, 'linked'));
    expect(files.map(({ path }) => path)).toEqual(['p.yaml']);
  });

  test('names that are no UTF-8, sockets and files that are too large are refused, each by name', async () => {
    put('p.yaml');
    writeFileSync(
      Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xb1, 0xb1]), Buffer.from('.sql')]),
      '',
    );
    const server = createServer().listen(join(folder, 'socket.sql'));
    await once(server, 'listening');
    put('big.sql', Buffer.alloc(8 * 1024 * 1024 + 1, 32));
    put('back\\slash.sql');
    expect((await read()).problems).toEqual([
      expect.stringMatching(/^file_unreadable back\\slash\.sql: the path holds a backslash/),
      'file_unreadable socket.sql: it is not a file but e.g. a pipe or a socket',
      expect.stringMatching(/^file_unreadable ±±\.sql: its name is not UTF-8/),
      expect.stringMatching(/^file_unreadable big\.sql: it has 8388609 bytes/),
    ]);
    server.close();
  });

  test.skipIf(process.getuid?.() === 0)('what may not be read is named', async () => {
    put('p.yaml');
    chmodSync(join(folder, 'p.yaml'), 0);
    expect((await read()).problems).toEqual([
      expect.stringMatching(/^file_unreadable p\.yaml: you have no permission to read it/),
    ]);
  });

  test('bytes that are no plain UTF-8 are sent as they are', async () => {
    const gbk = Buffer.from([0xb1, 0xb1, 0xbe, 0xa9]);
    put('a.sql', gbk);
    put('b.sql', '\ufeffselect 1');
    put('c.sql', 'select \0');
    put('d.sql', "select '北京'");
    const { files } = await readCatalogueFolder(folder);
    expect(files).toEqual([
      { path: 'a.sql', base64: gbk.toString('base64') },
      { path: 'b.sql', base64: Buffer.from('\ufeffselect 1').toString('base64') },
      { path: 'c.sql', base64: Buffer.from('select \0').toString('base64') },
      { path: 'd.sql', text: "select '北京'" },
    ]);
  });

  test('is written as UTF-8, and what is there with other bytes is not replaced unasked', async () => {
    put('a.sql', Buffer.from([0xb1, 0xb1]));
    const files = [{ path: 'a.sql', text: '北' }];
    await expect(writeCatalogueFolder(folder, files, false)).rejects.toMatchObject({ code: 'usage' });
    await writeCatalogueFolder(folder, files, true);
    expect(readFileSync(join(folder, 'a.sql'), 'utf8')).toBe('北');
    await writeCatalogueFolder(folder, files, false);
  });
});

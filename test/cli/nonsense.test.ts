/** Every command of the command line, with words that it does not know: a sentence and an exit code of its own, never a stack. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { buildProgram } from '../../cli/program.ts';
import { createTestDatabase } from '../support/database.ts';
import { applyCatalogue, catalogueText, openTestRun } from '../support/estate.ts';
import { startCliEstate } from './estate.ts';

const { api, sluice } = await startCliEstate(await createTestDatabase('nonsense'));
await applyCatalogue(api.pool, catalogueText([{ id: 'A' }]));
await openTestRun(api.pool);
const folder = await mkdtemp(join(tmpdir(), 'sluice-test-nonsense-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

type Command = ReturnType<typeof buildProgram>;

interface Leaf {
  readonly name: string;
  readonly words: readonly string[];
  readonly command: Command;
}

function leaves(command: Command, words: readonly string[] = []): Leaf[] {
  const below = command.commands
    .filter((command) => command.name() !== 'help')
    .flatMap((command) => leaves(command as Command, [...words, command.name()]));
  const acts = command.registeredArguments.length > 0 || below.length === 0;
  return acts && words.length > 0 ? [...below, { name: words.join(' '), words, command }] : below;
}

const all = leaves(buildProgram('en', '0', async () => undefined));
const NONSENSE = ['', '-1', '99999999999999999999', 'x'.repeat(5_000), '../nowhere', '%'];
/** Given where a command would otherwise ask before it acts, or act. */
const argumentsOf = ({ command }: Leaf, word: string): string[] =>
  command.registeredArguments.map(() => word);

async function sentence(words: readonly string[]): Promise<number> {
  const { exit, err } = await sluice(words, { signal: AbortSignal.timeout(20_000) });
  const said = `${words.map((word) => word.slice(0, 60)).join(' ')}: ${exit} ${err.slice(0, 2_000)}`;
  expect(said).not.toMatch(/\n\s+at |internal|TypeError|ReferenceError|\[object|undefined/);
  expect([0, 1, 2, 3, 4, 5, 6, 7], said).toContain(exit);
  if (exit !== 0 && exit !== 6 && exit !== 7 && exit !== 3) expect(err, said).toContain('sluice: ');
  return exit;
}

test('the walk meets more than 60 commands', () => {
  expect(all.length).toBeGreaterThan(60);
});

test.each(all.map((item) => [item.name, item] as const))(
  '%s: an option that it does not have',
  async (_, leaf) => {
    expect(await sentence([...leaf.words, ...argumentsOf(leaf, 'nonsense'), '--no-such-option'])).toBe(2);
  },
);

test.each(all.map((item) => [item.name, item] as const))(
  '%s: words that are none of its own',
  async (_, leaf) => {
    const required = leaf.command.registeredArguments.filter((argument) => argument.required).length;
    if (required > 0) expect(await sentence([...leaf.words])).toBe(2);
    if (!leaf.command.registeredArguments.some((argument) => argument.variadic)) {
      const given = argumentsOf(leaf, 'nonsense');
      expect(await sentence([...leaf.words, ...given, 'one', 'too', 'many'])).toBe(2);
    }
    // What it writes to a folder goes to one that nobody needs.
    const writes = leaf.name === 'catalogue export';
    if (leaf.name === 'run watch' || leaf.name === 'agent start' || writes) return;
    if (leaf.command.registeredArguments.length > 0)
      for (const word of NONSENSE) await sentence([...leaf.words, '--', ...argumentsOf(leaf, word)]);
  },
);

test.each(all.map((item) => [item.name, item] as const))(
  '%s: values that its options do not take',
  async (_, leaf) => {
    if (leaf.name === 'agent start' || leaf.name === 'run watch') return;
    for (const option of leaf.command.options) {
      if (option.long === '--json' || option.long === '--help') continue;
      const given = argumentsOf(leaf, 'nonsense');
      if (option.long === '--output' || option.long === '--csv' || option.long === '--xlsx') {
        await sentence([...leaf.words, ...given, option.long, join(folder, 'none', 'none.csv')]);
        continue;
      }
      if (option.required || option.optional) {
        expect(
          await sentence([...leaf.words, ...given, option.long!, ...(option.required ? [] : ['x', 'y'])]),
        ).toBeGreaterThan(0);
        for (const value of ['x', '99999999999999999999'])
          await sentence([...leaf.words, ...given, `${option.long}=${value}`]);
      } else await sentence([...leaf.words, ...given, option.long!]);
    }
  },
);

/** The words of the command line, held to what the API and the engine have. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { buildProgram } from '../../cli/program.ts';
import { helpPhrases } from '../../cli/text/help.ts';
import { KINDS } from '../../cli/text/kinds.ts';
import { flagText, STATES } from '../../cli/text/states.ts';
import { FlowFlag } from '../../contract/flows.ts';
import { STATES as ENGINE_STATES } from '../../graph/run/status.ts';
import { PART_KINDS } from '../../graph/timing/lateness.ts';
import { VERBS } from '../../graph/verbs/verbs.ts';
import { commandLine } from './command-line.ts';

const program = buildProgram('en', '0.0.0', async () => {});

function leaves(command: Command, path: string[] = []): { path: string[]; command: Command }[] {
  const here = command.name() === 'sluice' ? path : [...path, command.name()];
  return command.commands.length === 0
    ? [{ path: here, command }]
    : command.commands.flatMap((command) => leaves(command, here));
}

test('every verb of the engine is a command of the same name', () => {
  const names = new Set(program.commands.map((command) => command.name()));
  const ofRuns = new Set(
    program.commands.find((command) => command.name() === 'run')!.commands.map((command) => command.name()),
  );
  const missing = [...VERBS.values()].filter((rule) =>
    rule.target === 'run' ? !ofRuns.has(rule.verb) : !names.has(rule.verb),
  );
  expect(missing.map((rule) => rule.verb)).toEqual([]);
});

test('every state, flag and kind of piece has its word in both languages', () => {
  expect(Object.keys(STATES).sort()).toEqual([...ENGINE_STATES].sort());
  expect(Object.keys(KINDS).sort()).toEqual([...PART_KINDS].sort());
  for (const flag of FlowFlag.options) expect(flagText(flag, 'zh')).toMatch(/\p{Script=Han}/u);
});

describe.each(leaves(program).map(({ path }) => [path.join(' '), path] as const))(
  'sluice %s --help',
  (_name, path) => {
    test.each(['en', 'zh'] as const)('is there in %s and says what every option is for', async (lang) => {
      const { exit, out } = await commandLine({ lang })([...path, '--help']);
      expect(exit).toBe(0);
      expect(out).toContain(`Usage: sluice ${path.join(' ')}`);
      if (lang === 'zh') expect(out.split('\n')[2]).toMatch(/\p{Script=Han}/u);
      const command = leaves(program).find((leave) => leave.path.join() === path.join())!.command;
      for (const option of command.options) expect(option.description).not.toBe('');
    });
  },
);

test('the exit codes are documented in the help', async () => {
  for (const lang of ['en', 'zh'] as const) {
    const { out } = await commandLine({ lang })(['--help']);
    for (const code of [0, 1, 2, 3, 4, 5, 6, 7, 124, 130]) expect(out).toMatch(new RegExp(`\\b${code} `));
  }
  expect(helpPhrases('zh')('exit_codes')).toContain('退出码');
});

test.each(['docs/command-line.md', 'docs/zh/command-line.md'])(
  '%s names every command and every exit code',
  (file) => {
    const docs = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
    const missing = leaves(program).filter(({ path }) => !new RegExp(`\`${path.join(' ')}[\` ]`).test(docs));
    expect(missing.map(({ path }) => path.join(' '))).toEqual([]);
    for (const code of [0, 1, 2, 3, 4, 5, 6, 7, 124, 130]) expect(docs).toContain(`| ${code} |`);
  },
);

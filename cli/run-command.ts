/** From the arguments of a command to its exit code: everything except the process itself, so that tests can run it. */
import { CommanderError } from 'commander';
import { SluiceError } from '../errors.ts';
import { createClient } from './client.ts';
import { problemFrom, problemLines } from './problem.ts';
import { identityOf, readProfile } from './profile.ts';
import { buildProgram, type GlobalOptions } from './program.ts';
import { createSession, type Session, type Stream } from './session.ts';
import { painter } from './text/colour.ts';
import { type Lang, phrases } from './text/phrases.ts';

/** The part of the configuration that the command line uses. */
export interface Settings {
  readonly home: string;
  readonly apiUrl: string;
  readonly token: string | undefined;
  readonly lang: Lang;
}

/** What a command gets from the process that runs it. */
export interface CommandContext {
  readonly version: string;
  readonly loadConfig: () => Settings;
  /** Whether colours are allowed. A stream that is not a terminal gets none in any case. */
  readonly colour: boolean;
  readonly out: Stream;
  readonly err: Stream;
  readonly signal: AbortSignal;
  /** Runs a program of the project until it ends. */
  readonly launch: Session['launch'];
  /** How long requests to an API that does not answer are repeated, ms. */
  readonly patienceMs?: number;
}

/** How long to try an API that has never answered, ms. Short: a person is waiting. */
const PATIENCE_MS = 2_000;
/** How long to wait for an API that has answered before, ms: a restart with `npm start` takes up to half a minute. */
const BRIDGE_MS = 45_000;

/** Runs one command and returns its exit code. Never throws. */
export async function runCommand(args: readonly string[], given: CommandContext): Promise<number> {
  const json = args.includes('--json');
  let lang = langOf(args) ?? 'en';
  let exit = 0;
  try {
    refuseBadArguments(args);
    const config = given.loadConfig();
    lang = langOf(args) ?? config.lang;
    const perform = async (
      globals: GlobalOptions,
      run: (session: Session) => Promise<number | undefined>,
    ): Promise<void> => {
      const identity = identityOf({ ...config, as: globals.as });
      const colour = given.colour && globals.color;
      if (identity.exposed) given.err.write(`sluice: ${phrases(lang)('profile_exposed')}\n`);
      const session = createSession({
        client: createClient({
          apiUrl: identity.apiUrl,
          token: identity.token,
          lang,
          signal: given.signal,
          patienceMs: given.patienceMs ?? PATIENCE_MS,
          bridgeMs: given.patienceMs ?? BRIDGE_MS,
          onAway: (base) => {
            if (!json) given.err.write(`sluice: ${phrases(lang)('api_away', { base })}\n`);
          },
        }),
        actor: identity.actor,
        tokenOf: (actor) => readProfile(config.home)?.actors[actor],
        launch: given.launch,
        lang,
        json: globals.json,
        colour,
        out: given.out,
        err: given.err,
        signal: given.signal,
      });
      exit = (await run(session)) ?? 0;
    };
    const program = buildProgram(lang, given.version, perform);
    const quiet = {
      writeOut: (text: string) => void given.out.write(text),
      // Errors are printed below, as text or JSON.
      writeErr: (text: string) => void (text.startsWith('error:') ? undefined : given.err.write(text)),
      getOutHelpWidth: () => given.out.columns ?? 100,
      getErrHelpWidth: () => given.err.columns ?? 100,
    };
    everyCommand(program, (command) => command.exitOverride().configureOutput(quiet));
    await program.parseAsync([...args], { from: 'user' });
    return exit;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    // `sluice` or `sluice run` alone has printed the help.
    if (error instanceof CommanderError && error.code === 'commander.help') return 2;
    const failure =
      error instanceof CommanderError
        ? new SluiceError('usage', error.message.replace(/^error: /, ''), { facts: { usage: error.code } })
        : error;
    const { problem, exit: code } = problemFrom(failure, lang);
    if (json) given.err.write(`${JSON.stringify(problem)}\n`);
    else
      for (const line of problemLines(problem, lang, painter(given.colour && given.err.isTTY === true)))
        given.err.write(`${line}\n`);
    return code;
  }
}

/** Bytes of an argument that are not UTF-8 have become U+FFFD, and their meaning is lost. Throws `usage`. */
function refuseBadArguments(args: readonly string[]): void {
  const at = args.findIndex((argument) => argument.includes('\ufffd') || !argument.isWellFormed());
  if (at >= 0)
    throw new SluiceError(
      'usage',
      `argument ${at + 1} is not UTF-8 (${args[at]!.toWellFormed()}): set the terminal and its locale to UTF-8`,
    );
}

/** The language of `--lang`, before the arguments are parsed: the help depends on it. */
function langOf(args: readonly string[]): Lang | undefined {
  const at = args.findIndex((arg) => arg === '--lang' || arg.startsWith('--lang='));
  const value = at < 0 ? undefined : args[at] === '--lang' ? args[at + 1] : args[at]!.slice('--lang='.length);
  return value === 'en' || value === 'zh' ? value : undefined;
}

type AnyCommand = ReturnType<typeof buildProgram>;

function everyCommand(command: AnyCommand, change: (command: AnyCommand) => void): void {
  change(command);
  for (const below of command.commands) everyCommand(below, change);
}

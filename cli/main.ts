/** The command `sluice`. Only what `--version` needs is loaded at once; everything else when a command asks for it. */
import { readFileSync } from 'node:fs';

const args = process.argv.slice(2);
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) {
  process.stdout.write(`${version}\n`);
} else {
  const [{ loadConfig, childEnvironment }, { runCommand }] = await Promise.all([
    import('../config.ts'),
    import('./run-command.ts'),
  ]);
  const interrupt = new AbortController();
  // The first one ends what is under way, the second one ends everything.
  process.on('SIGINT', () => (interrupt.signal.aborted ? process.exit(130) : interrupt.abort()));
  process.once('SIGTERM', () => interrupt.abort());
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // Whoever read our output has enough of it, e.g. `| head`.
      if (error.code === 'EPIPE') process.exit(0);
      throw error;
    });
  const { NO_COLOR, TERM } = childEnvironment();
  process.exitCode = await runCommand(args, {
    version,
    loadConfig,
    colour: (NO_COLOR === undefined || NO_COLOR === '') && TERM !== 'dumb',
    out: process.stdout,
    err: process.stderr,
    signal: interrupt.signal,
    launch: async (file, changes) => {
      const { launchProgram } = await import('./launch-program.ts');
      return launchProgram(file, childEnvironment(changes));
    },
  });
}

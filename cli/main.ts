/** The command `sluice` as a process: streams, signals, configuration. */
import { childEnvironment, loadConfig } from '../config.ts';
import { SluiceError } from '../errors.ts';
import packageFile from '../package.json' with { type: 'json' };
import { runCommand } from './run-command.ts';

const interrupt = new AbortController();
// The first one ends what is under way, the second one ends everything.
process.on('SIGINT', () => (interrupt.signal.aborted ? process.exit(130) : interrupt.abort()));
process.once('SIGTERM', () => interrupt.abort());
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // Whatever read our output has enough of it, e.g. `| head`.
    if (error.code === 'EPIPE') process.exit(0);
    // A full disk behind `> file`; stderr may be the one that is full.
    const failure = new SluiceError('file_unwritable', `the output could not be written: ${error.message}`);
    if (stream === process.stdout) process.stderr.write(`sluice: ${failure.code}: ${failure.message}\n`);
    process.exit(failure.kind.exit);
  });
const { NO_COLOR, TERM } = childEnvironment();
process.exitCode = await runCommand(process.argv.slice(2), {
  version: packageFile.version,
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

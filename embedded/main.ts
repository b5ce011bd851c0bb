/**
 * `npm start`: everything on one machine. Starts PostgreSQL and Temporal, then Sluice, and runs until it is asked to stop.
 * stdout holds only the JSON object of `--once --json`; messages go to stderr.
 */
import { parseArgs } from 'node:util';
import { loadConfig } from '../config.ts';
import { SluiceError } from '../errors.ts';
import { openHome } from './home.ts';
import { runDemo, startParts } from './installation.ts';
import { assertFree } from './ports.ts';
import { startServers } from './servers.ts';
import { watchSignals } from './shutdown.ts';

const say = (text: string) => void process.stderr.write(`sluice: ${text}\n`);

const shutdown = watchSignals(say);
// A terminal or pipe that is gone must not end this process before its parts are stopped.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

async function main(): Promise<void> {
  const options = optionsOf();
  const config = loadConfig();

  const home = await openHome(config.home);
  shutdown.add('home', home.release);
  if (home.leftovers.length > 0)
    say(`stopped processes left by a killed start: ${home.leftovers.join(', ')}`);

  // Checked first: the API takes the port last, after everything else has started.
  await assertFree(config.port, 'the API', 'SLUICE_PORT');
  const starting = startServers(config, home, say);
  // Added before the servers are up, so that a signal in between stops them.
  shutdown.add('servers', () => starting.then((entry) => entry.stop()).catch(() => undefined));
  const servers = await starting;
  say(`PostgreSQL ${withoutPassword(servers.databaseUrl())}`);
  say(`Temporal   ${servers.temporalAddress}`);

  // On a database that is not embedded, the demo and its sample data need --demo.
  const wanted = options.demo ?? servers.ownsDatabase;
  await startParts({
    config,
    home,
    servers,
    shutdown,
    say,
    sample: wanted,
    replaceTokens: options['replace-tokens'],
  });
  if (shutdown.signal.aborted) return;
  say(`API        ${config.apiUrl}`);
  const code = wanted ? await runDemo(home, config, shutdown, options.json) : 0;

  process.send?.({ ready: true, temporalAddress: servers.temporalAddress });
  if (options.once) {
    await shutdown.run();
    process.exit(code);
  }
  say('serving; press Ctrl-C to stop everything');
}

/** Throws `usage`. */
function optionsOf() {
  try {
    return parseArgs({
      options: {
        once: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        // Default: yes on the embedded database, no on another one.
        demo: { type: 'boolean' },
        // Makes new tokens for a database whose tokens another installation made; the old ones stop working.
        'replace-tokens': { type: 'boolean', default: false },
      },
      allowNegative: true,
    }).values;
  } catch (error) {
    throw new SluiceError(
      'usage',
      `${(error as Error).message} (npm start -- [--once] [--json] [--no-demo] [--replace-tokens])`,
    );
  }
}

function withoutPassword(url: string): string {
  const shown = new URL(url);
  if (shown.password !== '') shown.password = '***';
  return shown.href;
}

try {
  await main();
} catch (error) {
  await shutdown.run();
  if (!(error instanceof SluiceError)) throw error;
  say(`${error.code}: ${error.message}`);
  say(`what to do: ${error.kind.remedy.en}`);
  say(`处理：${error.kind.remedy.zh}`);
  process.exit(error.kind.exit);
}

/** `npm run bench`: the real thing under load; one JSON object on stdout with `--json`, talk on stderr. */
import { parseArgs } from 'node:util';
import { watchSignals } from '../../embedded/shutdown.ts';
import { SluiceError } from '../../errors.ts';
import { answers } from './answers.ts';
import { burst } from './burst.ts';
import { carried } from './carried.ts';
import { type GraphFile, readGraphFile } from './graph-file.ts';
import { WORKLOADS } from './graphs.ts';
import { rules } from './rules.ts';
import { throughput } from './throughput.ts';
import { verbs } from './verbs.ts';
import { whyAcross } from './why-across.ts';

const say = (text: string): void => void process.stderr.write(`bench: ${text}\n`);
const shutdown = watchSignals(say);

async function main(): Promise<unknown> {
  const { values: options } = parseArgs({
    options: {
      graph: { type: 'string' },
      program: { type: 'string', default: 'noop' },
      speedup: { type: 'string', default: '1' },
      agents: { type: 'string', default: '4' },
      workers: { type: 'string', default: '1' },
      slots: { type: 'string', default: '64' },
      repeat: { type: 'string', default: '4' },
      together: { type: 'string', default: '1' },
      rest: { type: 'string', default: '0' },
      // host:port, with --graph
      temporal: { type: 'string' },
      verbs: { type: 'boolean', default: false },
      answers: { type: 'boolean', default: false },
      burst: { type: 'boolean', default: false },
      rules: { type: 'boolean', default: false },
      across: { type: 'boolean', default: false },
      flows: { type: 'string', default: '13000' },
      seconds: { type: 'string', default: '60' },
      // The output is always JSON; scripts may pass the option.
      json: { type: 'boolean', default: true },
    },
  });
  const { graph, program } = options;
  if (options.verbs) return verbs({ seconds: number('seconds', options.seconds), say, shutdown });
  if (options.answers) return answers({ flows: number('flows', options.flows), say, shutdown });
  if (options.burst) return burst({ say, shutdown });
  if (options.across) return whyAcross({ say, shutdown });
  if (options.rules) {
    const asked = { flows: number('flows', options.flows), say };
    return { ...rules(asked), ...(await carried({ ...asked, shutdown })) };
  }
  if (graph === undefined)
    throw usage(
      'say what to measure: --graph FILE (or w1, w2, w3, w4), --verbs, --answers, --across, --burst, --rules',
    );
  if (program !== 'noop' && program !== 'shell')
    throw usage(`there is no program '${program}': noop or shell`);
  return throughput(await graphOf(graph), {
    program,
    speedup: number('speedup', options.speedup),
    agents: number('agents', options.agents),
    workers: number('workers', options.workers),
    slots: number('slots', options.slots),
    repeat: number('repeat', options.repeat),
    together: number('together', options.together),
    restSeconds: options.rest === '0' ? 0 : number('rest', options.rest),
    temporalAddress: options.temporal,
    say,
    shutdown,
  });
}

async function graphOf(name: string): Promise<GraphFile> {
  return name in WORKLOADS ? WORKLOADS[name as keyof typeof WORKLOADS]() : readGraphFile(name);
}

function number(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw usage(`--${option} wants a number above 0, not '${text}'`);
  return value;
}

const usage = (detail: string): SluiceError => new SluiceError('usage', detail);

try {
  process.stdout.write(`${JSON.stringify(await main(), null, 2)}\n`);
} catch (error) {
  await shutdown.run();
  if (!(error instanceof SluiceError)) throw error;
  say(`${error.code}: ${error.message}`);
  say(error.kind.remedy.en);
  process.exit(error.kind.exit);
}
process.exit(0);

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { runsOr, seed } from '../../support/property.ts';
import { type RandomRun, randomRun } from './random-run.ts';
import { Simulation } from './simulation.ts';

// With 6,000 runs the tests of graph/ reach no branch that they do not reach with 4,000. `SLUICE_RUNS=20000` looks further.
const numRuns = runsOr(4_000);
const path = process.env.SLUICE_PATH;

let exchanges = 0;

function play({ specs, commands }: RandomRun): void {
  const simulation = new Simulation(specs);
  for (const command of commands) simulation.play(command);
  simulation.settleDown();
  exchanges += simulation.exchanges;
}

test(`whatever happens, the engine and a slow obvious model agree after every exchange (seed ${seed})`, {
  timeout: 3_600_000,
}, () => {
  const started = performance.now();
  fc.assert(fc.property(randomRun, play), { seed, numRuns, ...(path === undefined ? {} : { path }) });
  const seconds = (performance.now() - started) / 1000;
  console.log(
    `seed ${seed}: ${numRuns} runs, ${exchanges} exchanges, ${Math.round(numRuns / seconds)} runs/s`,
  );
  expect(exchanges).toBeGreaterThan(path === undefined ? numRuns : 0);
});

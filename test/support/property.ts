/**
 * From where and how often properties are tried: in every run of the suite the same, so that a red test speaks of the change that it comes
 * with. `SLUICE_SEED=123 SLUICE_RUNS=100000 npm test -- test/graph/run/simulation.test.ts` looks further; a failure prints seed and path.
 */
export const seed = Number(process.env.SLUICE_SEED ?? 20261122);

export const runsOr = (usual: number): number => Number(process.env.SLUICE_RUNS ?? usual);

/** A part of the runs. It is a whole number: fast-check never ends with half a run. */
export const partOf = (runs: number, parts: number): number => Math.ceil(runs / parts);

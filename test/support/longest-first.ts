/** The order of test files: the longest first, so that all workers end at about the same time. */
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files that take more than 10 s on two quiet cores, in the order in which they start. Files that mostly wait stand beside files that
 * compute. The order changes no result: a file that is missing here only makes the suite end later.
 */
export const LONGEST = [
  'test/workflows/new-build.test.ts',
  'test/embedded/main.test.ts',
  'test/cli/demo-killed.test.ts',
  'test/faults/random-faults.test.ts',
  'test/graph/run/simulation.test.ts',
  'test/faults/three-flows.test.ts',
  'test/end-to-end/readme.test.ts',
  'test/cli/demo.test.ts',
  'test/faults/traps.test.ts',
  'test/bench/load/throughput.test.ts',
  'test/faults/servers.test.ts',
  'test/graph/catalogue/loops-over-runs.test.ts',
  'test/faults/other-runs.test.ts',
  'test/platforms/shell/shell.test.ts',
  'test/end-to-end/force-end.test.ts',
  'test/platforms/shell/containment.test.ts',
  'test/agent/agent.test.ts',
  'test/graph/why/why.test.ts',
  'test/faults/one-effect.test.ts',
  'test/services/why/answers-large.test.ts',
  'test/workflows/coordinator.test.ts',
  'test/graph/run/machine-growth.test.ts',
  'test/end-to-end/fences.test.ts',
  'test/graph/impact/backfill-dependants.test.ts',
  'test/services/rerun/rerun-impact.test.ts',
  'test/cli/commands.test.ts',
  'test/end-to-end/rehearsal.test.ts',
  'test/api/impact-large.test.ts',
  'test/catalogue/sample.test.ts',
  'test/graph/impact/impact.test.ts',
  'test/store/schema/fresh-tables.test.ts',
  'test/store/retention/growth.test.ts',
  'test/graph/timing/lateness.test.ts',
  'test/graph/timing/critical-path.test.ts',
  'test/api/setup.test.ts',
  'test/platforms/sql/silence.test.ts',
  'test/cli/nonsense.test.ts',
] as const;

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const found = LONGEST.findIndex((file) => moduleId.endsWith(`/${file}`));
      return found === -1 ? LONGEST.length : found;
    };
    // Stable: the others keep the order that Vitest gives them.
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

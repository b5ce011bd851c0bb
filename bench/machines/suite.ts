/** The tests that use a Temporal server, against one that is given by its address (test/support/global-setup.ts). */
import { spawn } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { childEnvironment, projectFolder } from '../../config.ts';

/** Those that take the shared server; others start, kill and freeze one of their own (faults/servers, faults/random-faults). */
const FILES = [
  'test/workflows',
  'test/worker',
  'test/faults/traps.test.ts',
  'test/faults/three-flows.test.ts',
  'test/faults/other-runs.test.ts',
] as const;

export interface Suite {
  readonly files: readonly string[];
  readonly tests: number;
  readonly passed: number;
  /** Full names of those that did not pass. */
  readonly failed: readonly string[];
  readonly ms: number;
  readonly ok: boolean;
}

interface Report {
  readonly numTotalTests: number;
  readonly numPassedTests: number;
  readonly success: boolean;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

/** `folder`: where the report of the test runner lies for a moment. What the runner says goes to stderr. */
export async function runSuite(temporalAddress: string, folder: string): Promise<Suite> {
  const begun = performance.now();
  const file = join(folder, 'suite.json');
  const args = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  await new Promise<void>((resolve, reject) => {
    const child = spawn(
      process.execPath,
      [join(projectFolder, 'embedded', 'launch.mjs'), '--test', ...FILES, ...args],
      {
        cwd: projectFolder,
        env: childEnvironment({ SLUICE_TEST_TEMPORAL: temporalAddress }),
        stdio: ['ignore', 2, 2],
      },
    );
    child.once('error', reject);
    child.once('exit', () => resolve());
  });
  const report = JSON.parse(await readFile(file, 'utf8')) as Report;
  await rm(file, { force: true });
  const failed = report.testResults.flatMap(({ name, status, assertionResults }) => {
    const tests = assertionResults
      .filter((result) => result.status === 'failed')
      .map((result) => result.fullName);
    // A file that could not even be loaded has no tests.
    return status === 'failed' && tests.length === 0 ? [name] : tests;
  });
  return {
    files: FILES,
    tests: report.numTotalTests,
    passed: report.numPassedTests,
    failed,
    ms: Math.round(performance.now() - begun),
    ok: report.success && report.numPassedTests > 0,
  };
}

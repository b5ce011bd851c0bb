import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // One PostgreSQL and one Temporal server for the whole run: test/support/global-setup.ts.
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    // Two more than the cores of a small machine: many tests wait for leases, graces and servers. With three a quarter of the processor was idle.
    maxWorkers: 4,
    // A worker keeps the modules that it has loaded: loading them for each file took a tenth of the suite. So a test leaves no state in a module.
    isolate: false,
    restoreMocks: true,
    sequence: { sequencer: LongestFirst },
    // A test that passes only sometimes is a defect.
    retry: 0,
    // When a test is taken for hung, ms. No test proves speed with it: the longest takes 110 s alone, and more beside other work.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    teardownTimeout: 600_000,
    // How long `expect.poll` waits for an event before it is taken for missing, ms; Vitest's default of 1 s is too short on a busy machine.
    expect: { poll: { timeout: 300_000 } },
  },
});

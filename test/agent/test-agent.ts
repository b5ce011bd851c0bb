/** An agent in the process of the test, against the API of the test. */
import { type Agent, type AgentOptions, createAgent } from '../../agent/agent.ts';
import { createApiClient } from '../../agent/api-client.ts';
import { containmentFor } from '../../agent/containment-level.ts';
import { createPlatforms, type PlatformsOptions } from '../../agent/platforms.ts';
import type { FakeApi } from './fake-api.ts';

export const platformsIn = (spool: string, more: Partial<PlatformsOptions> = {}) =>
  createPlatforms({
    agentName: 'yt-1',
    platform: 'yt',
    connections: {},
    spool,
    environment: { PATH: process.env.PATH ?? '/usr/bin:/bin' },
    cwd: spool,
    containment: containmentFor('auto', spool),
    graceMs: 200,
    ...more,
  });

export const agentFor = (api: FakeApi, spool: string, more: Partial<AgentOptions> = {}): Agent =>
  createAgent({
    client: createApiClient({ apiUrl: api.url, agent: 'yt-1', token: 'secret-token-of-test' }),
    platforms: more.platforms ?? platformsIn(spool),
    spool,
    lockToken: '0123456789abcdef',
    platform: 'yt',
    slots: 4,
    labels: [],
    version: '0',
    logger: { info() {}, warn() {}, error() {} },
    drainMs: 200,
    endPrograms: true,
    claimWaitMs: 5_000,
    ...more,
  });

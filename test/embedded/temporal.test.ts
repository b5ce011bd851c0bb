import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../config.ts';
import { type Home, openHome } from '../../embedded/home.ts';
import { processIdentity } from '../../embedded/process-lock.mjs';
import { startTemporal, type Temporal } from '../../embedded/temporal.ts';
import { obtainTemporal } from '../../embedded/temporal-binary.ts';

let home: Home;
let temporal: Temporal;
let program: string;

beforeAll(async () => {
  home = await openHome(await mkdtemp(join(tmpdir(), 'sluice-test-')));
  const { cache, temporalBin } = loadConfig();
  program = await obtainTemporal({ cache, chosen: temporalBin });
  temporal = await startTemporal({ home, program, port: 0, namespace: 'warehouse' });
});
afterAll(async () => {
  await temporal.stop();
  await home.release();
  await rm(home.path, { recursive: true, force: true });
});

describe('the embedded Temporal server', () => {
  test('accepts a workflow as soon as it is started, and has it after kill -9 and restart', async () => {
    const connection = await Connection.connect({ address: temporal.address });
    const client = new Client({ connection, namespace: 'warehouse' });
    const start = (workflowId: string) =>
      client.workflow.start('nobody', { workflowId, taskQueue: 'nobody' });
    await start('before');
    const before = temporal.pid;
    await temporal.kill9();
    expect(processIdentity(before)).toBeUndefined();
    await temporal.restart();
    expect((await client.workflow.getHandle('before').describe()).status.name).toBe('RUNNING');
    await start('after');
    await connection.close();
  });

  test('a port in use is a coded error that names port and process', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const start = startTemporal({ home, program, port });
    await expect(start).rejects.toMatchObject({ code: 'port_in_use', facts: { port, pid: process.pid } });
    server.close();
  });

  test('a chosen program that is no Temporal is a coded error, and nothing is fetched instead', async () => {
    const chosen = { cache: home.path, chosen: '/bin/true' };
    await expect(obtainTemporal(chosen)).rejects.toMatchObject({ code: 'temporal_unavailable' });
  });

  test('stop leaves no process behind', async () => {
    const { pid } = temporal;
    await temporal.stop();
    expect(processIdentity(pid)).toBeUndefined();
    await temporal.restart();
  });
});

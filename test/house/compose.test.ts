/** docker-compose.yml without Docker: what it says to Sluice is understood, what it names is there. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { configKeys, loadConfig, projectFolder } from '../../config.ts';

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly volumes?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly ports?: readonly string[];
  readonly depends_on?: readonly string[] | Readonly<Record<string, unknown>>;
}

const file = parse(readFileSync(join(projectFolder, 'docker-compose.yml'), 'utf8'), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};
const services = Object.entries(file.services);
const own = services.filter(([, it]) => it.command?.[0] === 'node');

/** `${NAME:?}` and `${NAME:-default}` as compose puts them in; secrets as somebody might choose them. */
const filledIn = (value: string | number): string =>
  String(value).replace(/\$\{(\w+)(?::[-?]([^}]*))?\}/g, () => 'a-secret-of-compose');
/** The program of a command and its arguments, without the options of node. */
const programOf = ({ command = [] }: Service): readonly string[] =>
  command.slice(1).filter((entry) => !entry.startsWith('--'));
/** What node and the C library read; the rest is ours. */
const RUNTIME_KEYS = ['MALLOC_ARENA_MAX', 'NODE_COMPILE_CACHE'];
const environmentOf = ({ environment = {} }: Service): Record<string, string> =>
  Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, filledIn(value)]));

describe('docker-compose.yml', () => {
  test('is two APIs, workers, agents and a set-up of this project, and three servers', () => {
    expect(own.map(([name]) => name)).toEqual(['setup', 'api-1', 'api-2', 'worker', 'agent-yt', 'agent-mpp']);
    expect(services).toHaveLength(own.length + 3);
  });

  test('every program that it starts is a file of the project', () => {
    for (const [name, service] of own) {
      const [program] = programOf(service);
      expect(existsSync(join(projectFolder, program!)), `${name}: ${program}`).toBe(true);
    }
    const [, actors, catalogue, ...agents] = programOf(file.services.setup!);
    expect(actors).toBe('/compose/cli.json');
    expect(existsSync(join(projectFolder, catalogue!))).toBe(true);
    expect(agents).toEqual(own.map(([name]) => name).filter((name) => name.startsWith('agent-')));
  });

  test('every key that it gives to a part of ours is one of the configuration, and its value is understood', () => {
    for (const [name, service] of own) {
      const environment = environmentOf(service);
      expect(
        Object.keys(environment).filter((key) => ![...configKeys, ...RUNTIME_KEYS].includes(key)),
        name,
      ).toEqual([]);
      expect(() => loadConfig(environment), name).not.toThrow();
    }
  });

  test('each part has what it needs to start', () => {
    const needs = {
      'api/setup/main.ts': ['DATABASE_URL', 'SLUICE_API_URL'],
      'api/main.ts': ['DATABASE_URL', 'TEMPORAL_ADDRESS', 'SLUICE_HOST'],
      'worker/main.ts': ['DATABASE_URL', 'TEMPORAL_ADDRESS'],
      'agent/main.ts': [
        'SLUICE_API_URL',
        'SLUICE_TOKEN',
        'SLUICE_AGENT_NAME',
        'SLUICE_AGENT_PLATFORM',
        'SLUICE_CONNECTIONS',
      ],
    };
    for (const [name, service] of own)
      expect(Object.keys(environmentOf(service)), name).toEqual(
        expect.arrayContaining(needs[programOf(service)[0] as keyof typeof needs]),
      );
  });

  test('what runs programs sees neither .env nor the tokens of others', () => {
    for (const [name, { volumes = [], tmpfs = [] }] of own) {
      expect(volumes, name).toContain('/dev/null:/sluice/.env:ro');
      expect(tmpfs, name).toContain('/sluice/compose');
      expect(
        volumes.some((volume) => volume.startsWith('./compose:')),
        name,
      ).toBe(name === 'setup');
    }
  });

  test('agents know both APIs, and hold nothing that opens the record', () => {
    for (const [name, service] of own.filter(([it]) => it.startsWith('agent-'))) {
      const { apiUrl, agent, databaseUrl } = loadConfig(environmentOf(service));
      expect(apiUrl.split(',').sort(), name).toEqual(['http://api-1:7070', 'http://api-2:7070']);
      expect(databaseUrl, name).toBeUndefined();
      expect(agent.name).toBe(name);
      expect(Object.keys(agent.connections)).toContain(agent.platform);
    }
  });

  test('who is asked by name is a service, what is mounted is a file or a volume of it, and ports are for this machine only', () => {
    const names = services.map(([name]) => name);
    for (const [name, service] of services) {
      const hosts = [
        ...Object.values(environmentOf(service))
          .join(' ')
          .matchAll(/(?:@|http:\/\/)([a-z\d.-]+):\d+/g),
      ];
      for (const [, host] of hosts) expect([...names, '127.0.0.1'], name).toContain(host);
      const { depends_on: on = [] } = service;
      for (const it of Array.isArray(on) ? on : Object.keys(on)) expect(names, name).toContain(it);
      for (const volume of service.volumes ?? []) {
        const [from] = volume.split(':');
        if (from === '/dev/null') continue;
        if (from!.startsWith('.')) expect(existsSync(join(projectFolder, from!)), volume).toBe(true);
        else expect(Object.keys(file.volumes), name).toContain(from);
      }
      for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/);
    }
  });

  test('tokens that the set-up writes beside it are not for git', () => {
    expect(readFileSync(join(projectFolder, '.gitignore'), 'utf8')).toMatch(/^compose\/cli\.json\*?$/m);
  });
});

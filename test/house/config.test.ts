import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { configKeys, loadConfig, projectFolder } from '../../config.ts';
import { SluiceError } from '../../errors.ts';

/** `KEY=value` lines of .env.example. */
const example = new Map(
  readFileSync(join(projectFolder, '.env.example'), 'utf8')
    .split('\n')
    .filter((line) => /^[A-Z_]+=/.test(line))
    .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
);

describe('the configuration', () => {
  test('.env.example names every key, in the order of the schema, and no other', () => {
    expect([...example.keys()]).toEqual([...configKeys]);
  });

  test('the values in .env.example are the defaults', () => {
    const HOME = { XDG_CACHE_HOME: '/nowhere' };
    expect(loadConfig({ ...HOME, ...Object.fromEntries(example) })).toEqual(loadConfig(HOME));
  });

  test('every bad key is named at once, with a coded error', () => {
    const bad = {
      SLUICE_PORT: '70700',
      SLUICE_LANG: 'fr',
      DATABASE_URL: 'mysql://x',
      SLUICE_CONNECTIONS: '{yt}',
    };
    const error = catchError(() => loadConfig(bad));
    expect(error).toBeInstanceOf(SluiceError);
    expect(error).toMatchObject({ code: 'invalid_config' });
    for (const key of Object.keys(bad)) expect((error as SluiceError).message).toContain(`${key}: `);
  });

  const hiding = ['a#b', 'a/b', 'a?b', 'a?x=1', 'a%b', '#', 'a b/', 'a?b=#/'];
  test.each(hiding)(
    'a password %s that cuts its URL is refused with what to do, and is not shown',
    (secret) => {
      const url = `postgres://u:Top${secret}Secret@h:5432/yt`;
      for (const env of [{ DATABASE_URL: url }, { SLUICE_CONNECTIONS: JSON.stringify({ yt: url }) }]) {
        const { message, facts } = catchError(() => loadConfig(env)) as SluiceError;
        expect(message).toContain('%23');
        expect(`${message}${JSON.stringify(facts)}`).not.toMatch(/Top|Secret/);
        if ('SLUICE_CONNECTIONS' in env) expect(message).toContain("connection 'yt'");
      }
    },
  );

  test('each connection that is wrong is named, and a text that is no JSON is not shown', () => {
    const given = { good: 'postgres://u:p@h/d', one: 'h:5432/d', two: 5 };
    const { message } = catchError(() =>
      loadConfig({ SLUICE_CONNECTIONS: JSON.stringify(given) }),
    ) as SluiceError;
    expect(message).toContain("'one'");
    expect(message).toContain("'two'");
    expect(message).not.toContain("'good'");
    const broken = catchError(() => loadConfig({ SLUICE_CONNECTIONS: '{"yt":"postgres://u:TopSecret@h/d"' }));
    expect(String(broken)).not.toContain('TopSecret');
  });

  test.each(['p%23a%2Fs%3Fs%25w%40o%3Ard%20x', 'a:b', 'a@b', '%E5%AF%86'])(
    'the password %s is taken as it is',
    (password) => {
      const url = `postgres://u:${password}@h:5432/yt?application_name=a@b`;
      expect(loadConfig({ DATABASE_URL: url }).databaseUrl).toBe(url);
      expect(loadConfig({ SLUICE_CONNECTIONS: JSON.stringify({ yt: url }) }).agent.connections).toEqual({
        yt: url,
      });
    },
  );

  test('a heartbeat that is not shorter than the lease is refused', () => {
    const error = catchError(() => loadConfig({ SLUICE_HEARTBEAT_MS: '60000' }));
    expect(error).toMatchObject({
      code: 'invalid_config',
      message: expect.stringContaining('SLUICE_HEARTBEAT_MS'),
    });
  });

  test('a short token is refused: there is no default and no guessable one', () => {
    expect(loadConfig({}).token).toBeUndefined();
    expect(catchError(() => loadConfig({ SLUICE_TOKEN: 'secret' }))).toMatchObject({
      code: 'invalid_config',
    });
  });

  test('an empty value means the default', () => {
    expect(loadConfig({ SLUICE_PORT: '' }).port).toBe(7070);
  });

  test('it cannot be changed after it was read', () => {
    const config = loadConfig({
      SLUICE_CONNECTIONS: '{"yt":"postgres://u:p@h:5432/yt"}',
      SLUICE_AGENT_LABELS: 'a, b',
    });
    expect(config.agent.connections).toEqual({ yt: 'postgres://u:p@h:5432/yt' });
    expect(config.agent.labels).toEqual(['a', 'b']);
    expect(() => Object.assign(config.agent, { slots: 99 })).toThrow(TypeError);
  });

  test('where the API is found follows from where it listens, unless it is said', () => {
    expect(loadConfig({ SLUICE_HOST: '0.0.0.0', SLUICE_PORT: '8080' }).apiUrl).toBe('http://127.0.0.1:8080');
    expect(loadConfig({ SLUICE_API_URL: 'https://sluice.example' }).apiUrl).toBe('https://sluice.example');
  });

  test('several APIs are a list of addresses, each of them checked', () => {
    const both = loadConfig({ SLUICE_API_URL: 'http://a:7070/, http://b:7070' });
    expect(both.apiUrl).toBe('http://a:7070,http://b:7070');
    for (const wrong of [',', 'http://a:7070,b:7070', 'ftp://a'])
      expect(catchError(() => loadConfig({ SLUICE_API_URL: wrong }))).toMatchObject({
        code: 'invalid_config',
        message: expect.stringContaining('SLUICE_API_URL: '),
      });
  });
});

function catchError(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
}

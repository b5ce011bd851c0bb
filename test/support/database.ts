/** Databases for tests: real ones of the run's PostgreSQL, each a copy of the migrated template. */
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, inject } from 'vitest';

export interface TestDatabase {
  readonly url: string;
  readonly name: string;
  /** Drops it and ends the connections that are still open. */
  drop(): Promise<void>;
}

/**
 * A database with the current schema and nothing in it (about 50 ms). Call it at the top of a test file:
 * `const database = await createTestDatabase();` It is dropped when the file is done. `name` helps reading logs.
 */
export async function createTestDatabase(name = 'test'): Promise<TestDatabase> {
  return create(name, inject('templateDatabase'));
}

/** An empty database without the schema, as platforms have. */
export async function createEmptyDatabase(name = 'empty'): Promise<TestDatabase> {
  return create(name, 'template1');
}

async function create(prefix: string, template: string): Promise<TestDatabase> {
  const name = `${prefix.toLowerCase().replace(/[^a-z0-9]+/g, '_')}_${randomBytes(4).toString('hex')}`;
  await onServer(`create database ${name} template ${pg.escapeIdentifier(template)}`);
  const url = new URL(inject('serverUrl'));
  url.pathname = `/${name}`;
  const drop = () => onServer(`drop database if exists ${name} with (force)`);
  afterAll(drop);
  return { url: url.href, name, drop };
}

async function onServer(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: inject('serverUrl') });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

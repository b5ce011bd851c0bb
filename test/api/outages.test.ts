/** What a broken connection to the record looks like to a caller: 503, ask again; never an error inside Sluice. */
import pg from 'pg';
import { expect, test } from 'vitest';
import { toSluiceError } from '../../api/problem.ts';

const ofSystem = (code: string): Error => Object.assign(new Error(code), { code });
const ofPostgres = (code: string): Error => Object.assign(new pg.DatabaseError(code, 0, 'error'), { code });

test.each([
  ['a reset', ofSystem('ECONNRESET')],
  ['a broken pipe, whose code has five letters as those of PostgreSQL have', ofSystem('EPIPE')],
  ['a refused connection', ofSystem('ECONNREFUSED')],
  ['a server that shuts down', ofPostgres('57P01')],
  ['a lock that somebody else held too long', ofPostgres('55P03')],
  ['a connection that broke under a query', new Error('Connection terminated unexpectedly')],
  [
    'a connection that broke before its first query',
    new Error('Client has encountered a connection error and is not queryable'),
  ],
  ['a statement without answer', new Error('Query read timeout')],
  ['no free connection in time', new Error('timeout exceeded when trying to connect')],
])('%s is record_unavailable', (_what, error) => {
  expect(toSluiceError(error)).toMatchObject({
    code: 'record_unavailable',
    kind: { status: 503, retryable: true },
  });
});

test.each([
  ['a mistake of ours', new TypeError('x is undefined')],
  ['a statement that is wrong', ofPostgres('42601')],
])('%s stays internal', (_what, error) => {
  expect(toSluiceError(error).code).toBe('internal');
});

test.each([
  ['53100', 'the database cannot write: its disk is full'],
  ['53300', 'the database has no connection left'],
  ['57P01', 'the database does not answer'],
])('what an operator can mend is said: %s', (code, detail) => {
  expect(toSluiceError(ofPostgres(code)).message).toBe(detail);
});

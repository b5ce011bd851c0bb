/**
 * What callers rely on does not change by accident: routes, parameters, fields, types, statuses and codes of the OpenAPI document are
 * those of openapi.json. Texts are left out, so they may change freely. SLUICE_RECORD=1 records a change that is meant.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectFolder } from '../../config.ts';
import { ERRORS } from '../../errors.ts';
import { callerOf, type Json, startTestApi } from '../support/api.ts';
import { createTestDatabase } from '../support/database.ts';

const FILE = join(projectFolder, 'test/api/openapi.json');
const TEXTS = ['description', 'summary', 'title'];
/** Zod writes these limits on every integer. */
const SAFE = [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER];

const database = await createTestDatabase('openapi');
const api = await startTestApi(database, { coordinator: false });

test('routes, fields, statuses and codes are those that callers rely on', async () => {
  const { body } = await callerOf(api.app, '').get('/openapi.json');
  const text = `${JSON.stringify(contractOf(body), null, 1)}\n`;
  if (process.env.SLUICE_RECORD !== undefined) writeFileSync(FILE, text);
  expect(JSON.parse(text)).toEqual(JSON.parse(readFileSync(FILE, 'utf8')));
});

function contractOf(document: Json): Json {
  const failures = new Set<string>();
  const routes: [string, Json][] = Object.entries<Json>(document.paths).flatMap(([path, methods]) =>
    Object.entries<Json>(methods).map(([method, operation]): [string, Json] => {
      const { default: failure, ...responses } = operation.responses;
      failures.add(JSON.stringify(contents(failure)));
      return [
        `${path} ${method.toUpperCase()}`,
        {
          ...parametersOf(operation.parameters ?? []),
          ...(operation.requestBody === undefined ? {} : { body: contents(operation.requestBody) }),
          ...Object.fromEntries(Object.entries(responses).map(([status, one]) => [status, contents(one)])),
        },
      ];
    }),
  );
  const errors = Object.entries(ERRORS).map(([code, { status, exit, retryable }]): [string, string] => [
    code,
    `${status} exit=${exit}${retryable ? ' retryable' : ''}`,
  ]);
  return {
    errors: byName(errors),
    failures: [...failures].map((failure) => JSON.parse(failure)),
    routes: byName(routes),
  };
}

const byName = <T>(entries: readonly (readonly [string, T])[]): Record<string, T> =>
  Object.fromEntries(entries.toSorted(([one], [other]) => (one < other ? -1 : 1)));

/** { path: { flow: ... }, query: { 'limit?': ... }, header: ... } */
const parametersOf = (parameters: Json[]): Json =>
  Object.fromEntries(
    [...Map.groupBy(parameters, (parameter) => parameter.in)].map(([where, list]) => [
      where,
      byName(list.map(({ name, required, schema }) => [required ? name : `${name}?`, typeOf(schema)])),
    ]),
  );

/** The type of a body or of a response; with its media type when that is not JSON. */
function contents({ content, required }: Json): Json {
  const [media, { schema }] = Object.entries<Json>(content)[0]!;
  const about = `${media === 'application/json' ? '' : media}${required === false ? ' optional' : ''}`;
  return about === '' ? typeOf(schema) : { [about.trim()]: typeOf(schema) };
}

/** A schema in few words: 'string maxLength=160', { 'field?': type }, [type of the items]. */
function typeOf(schema: Json): Json {
  const { type, properties, items, required = [], additionalProperties, propertyNames, ...rest } = schema;
  if (properties !== undefined) {
    const fields = Object.entries<Json>(properties).map(([name, field]): [string, Json] => [
      required.includes(name) ? name : `${name}?`,
      typeOf(field),
    ]);
    return {
      ...byName(fields),
      ...(additionalProperties === false ? {} : { '...': typeOf(additionalProperties ?? {}) }),
    };
  }
  for (const choice of ['anyOf', 'oneOf', 'allOf']) {
    if (rest[choice] === undefined) continue;
    const types = rest[choice].map(typeOf);
    const limits = limitsOf({ ...rest, [choice]: undefined });
    return types.every((one: Json) => typeof one === 'string')
      ? `${types.join(' | ')}${limits}`
      : { [choice + limits]: types };
  }
  const limits = limitsOf(rest);
  if (items !== undefined) return limits === '' ? [typeOf(items)] : { [`array${limits}`]: typeOf(items) };
  if (additionalProperties !== undefined)
    return { [`[${typeOf(propertyNames ?? {})}]${limits}`]: typeOf(additionalProperties) };
  return `${[type ?? 'any'].flat().join(' | ')}${limits}`;
}

const limitsOf = (rest: Json): string =>
  Object.entries(rest)
    .filter(
      ([key, value]) => value !== undefined && !TEXTS.includes(key) && !SAFE.some((limit) => limit === value),
    )
    .map(([key, value]) => ` ${key}=${JSON.stringify(value)}`)
    .toSorted()
    .join('');

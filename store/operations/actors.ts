/** Who may ask (protocol B4): people, agents and services, known by a bearer token of which only the sha256 is kept. */
import { createHash, randomBytes } from 'node:crypto';
import { notify } from '../schema/notify.ts';
import type { Queryable } from '../schema/pool.ts';

/** Empty lists mean everything. */
export interface Scope {
  readonly procedures: readonly string[];
  readonly flows: readonly string[];
  readonly platforms: readonly string[];
}

export interface Actor {
  readonly name: string;
  readonly kind: 'person' | 'agent' | 'service';
  readonly roles: readonly string[];
  readonly scope: Scope;
}

export interface NewActor {
  readonly name: string;
  readonly kind: Actor['kind'];
  readonly roles?: readonly string[];
  readonly scope?: Partial<Scope>;
}

const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest();

/**
 * Creates the actor, or gives an existing one these roles and a new token: 256 random bits, answered once and kept nowhere. Tokens that
 * it had before end at once, in every API (NOTIFY sluice_actors).
 */
export async function createActor(client: Queryable, actor: NewActor): Promise<string> {
  const token = `slc_${randomBytes(32).toString('base64url')}`;
  await client.query(
    `insert into actors (name, kind, token_hash, roles, scope) values ($1, $2, $3, $4, $5)
     on conflict (name) do update set kind = excluded.kind, token_hash = excluded.token_hash, roles = excluded.roles,
       scope = excluded.scope, disabled = false`,
    [actor.name, actor.kind, hashOf(token), actor.roles ?? [], JSON.stringify(actor.scope ?? {})],
  );
  await notify(client, 'sluice_actors', actor.name);
  return token;
}

/** Its tokens are refused from now on; what it did stays in the audit under its name. */
export async function disableActor(client: Queryable, name: string): Promise<void> {
  await client.query('update actors set disabled = true where name = $1', [name]);
  await notify(client, 'sluice_actors', name);
}

/** Those of the names that the record knows, and whether each is disabled. */
export async function knownActors(
  client: Queryable,
  names: readonly string[],
): Promise<Map<string, { readonly disabled: boolean }>> {
  const found = await client.query<{ name: string; disabled: boolean }>(
    'select name, disabled from actors where name = any($1::text[]) and token_hash is not null',
    [names],
  );
  return new Map(found.rows.map(({ name, disabled }) => [name, { disabled }]));
}

/** The actor of a token, or null. */
export async function actorOfToken(client: Queryable, token: string): Promise<Actor | null> {
  const found = await client.query<Omit<Actor, 'scope'> & { scope: Partial<Scope> }>({
    name: 'actor-of-token',
    text: 'select name, kind, roles, scope from actors where token_hash = $1 and not disabled',
    values: [hashOf(token)],
  });
  const row = found.rows[0];
  if (row === undefined) return null;
  const { procedures = [], flows = [], platforms = [] } = row.scope;
  return { ...row, scope: { procedures, flows, platforms } };
}

/** Roles that people have who are not disabled. */
export async function rolesOfPeople(client: Queryable): Promise<string[]> {
  const found = await client.query<{ role: string }>(
    "select distinct unnest(roles) as role from actors where kind = 'person' and not disabled",
  );
  return found.rows.map(({ role }) => role);
}

/** Who asks, and whether they may (protocol B4). Decided on the route's own declaration, never on the text of a path. */
import type pg from 'pg';
import { SluiceError } from '../errors.ts';
import type { Notifications } from '../services/notifications.ts';
import { type Actor, actorOfToken } from '../store/operations/actors.ts';

/**
 * What a route demands. `public`: nothing; `read`: any person or service; `confirm`: anybody with a role other than `viewer`; `operate`, `maintain`: that
 * right; `agent`: the agent that the address names.
 */
export type Permission = 'public' | 'read' | 'confirm' | 'operate' | 'maintain' | 'agent';

/** Rights that come with a role. Any other role belongs to gates (billing, region ...): it reads, and confirms its own gates. */
const RIGHTS: Readonly<Record<string, readonly Permission[]>> = {
  viewer: ['read'],
  operator: ['read', 'confirm', 'operate'],
  maintainer: ['read', 'confirm', 'operate', 'maintain'],
};
const OTHER: readonly Permission[] = ['read', 'confirm'];

/** Throws `forbidden` unless the actor has the right; agents have exactly one, and only for themselves. */
export function requirePermission(actor: Actor, permission: Permission, agent: string | undefined): void {
  if (permission === 'public') return;
  if (permission === 'agent') {
    if (actor.kind === 'agent' && actor.name === agent) return;
    throw new SluiceError('forbidden', `${actor.name} is not the agent ${agent ?? ''}`, {
      facts: { actor: actor.name, needs: 'agent' },
    });
  }
  if (actor.kind !== 'agent' && actor.roles.some((role) => (RIGHTS[role] ?? OTHER).includes(permission)))
    return;
  const roles = Object.keys(RIGHTS).filter((role) => RIGHTS[role]!.includes(permission));
  throw new SluiceError('forbidden', `this needs the role ${roles.join(' or ')}`, {
    facts: { actor: actor.name, needs: permission, roles },
  });
}

export interface Authenticator {
  /** The actor of an Authorization header; throws `unauthenticated`. */
  authenticate(header: string | undefined): Promise<Actor>;
  close(): void;
}

/** How long a found actor is believed; a change of actors (NOTIFY) ends it at once. */
const BELIEVE_MS = 2_000;
const KEEP = 2_000;

export function createAuthenticator(pool: pg.Pool, notifications: Notifications): Authenticator {
  const known = new Map<string, { actor: Actor; until: number }>();
  const off = notifications.on('sluice_actors', () => known.clear());
  return {
    async authenticate(header) {
      const token = /^Bearer ([\x21-\x7e]{16,256})$/i.exec(header ?? '')?.[1];
      if (token === undefined) throw unauthenticated('the header Authorization: Bearer TOKEN is missing');
      const before = known.get(token);
      if (before !== undefined && before.until > performance.now()) return before.actor;
      known.delete(token);
      const actor = await actorOfToken(pool, token);
      if (actor === null) throw unauthenticated('the token belongs to no actor');
      if (known.size >= KEEP) known.clear();
      known.set(token, { actor, until: performance.now() + BELIEVE_MS });
      return actor;
    },
    close: off,
  };
}

const unauthenticated = (detail: string): SluiceError => new SluiceError('unauthenticated', detail);

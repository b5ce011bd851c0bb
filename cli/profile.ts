/**
 * The identity of the command line. `npm start` writes `<home>/cli.json`, readable by its owner only: `{ apiUrl, actors: { name: token } }`,
 * so that the commands of the README work without settings. SLUICE_TOKEN with SLUICE_API_URL names another API. A token of the file is
 * sent only to the addresses in the same file.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { SluiceError } from '../errors.ts';

export const PROFILE_FILE = 'cli.json';
export const DEFAULT_ACTOR = 'admin';

export interface Identity {
  readonly apiUrl: string;
  readonly token: string | undefined;
  /** The actor of the profile; null when a token was given instead. */
  readonly actor: string | null;
  /** Whether other users can read the file. */
  readonly exposed: boolean;
}

export interface Profile {
  readonly apiUrl: string;
  readonly actors: Readonly<Record<string, string>>;
  readonly exposed: boolean;
}

/** Reads the profile of a home; null when there is none. Throws `invalid_config` when it cannot be read. */
export function readProfile(home: string): Profile | null {
  const file = join(home, PROFILE_FILE);
  let text: string;
  let mode: number;
  try {
    text = readFileSync(file, 'utf8');
    mode = statSync(file).mode;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new SluiceError('invalid_config', `${file} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
  try {
    const { apiUrl, actors } = JSON.parse(text) as Partial<Profile>;
    if (typeof apiUrl === 'string' && typeof actors === 'object' && actors !== null)
      return { apiUrl, actors, exposed: process.platform !== 'win32' && (mode & 0o077) !== 0 };
  } catch {
    // Said below.
  }
  throw new SluiceError(
    'invalid_config',
    `${file} does not have the form {"apiUrl": ..., "actors": {"name": "token"}}`,
  );
}

/**
 * Address and token: of the actor `as` of the profile, otherwise the token of the configuration, otherwise of the actor `admin` of the
 * profile. Throws `unknown_actor` with the names of the profile's actors.
 */
export function identityOf(given: {
  readonly home: string;
  readonly apiUrl: string;
  readonly token: string | undefined;
  readonly as: string | undefined;
}): Identity {
  if (given.as === undefined && given.token !== undefined)
    return { apiUrl: given.apiUrl, token: given.token, actor: null, exposed: false };
  const profile = readProfile(given.home);
  const name = given.as ?? DEFAULT_ACTOR;
  if (profile === null) {
    if (given.as === undefined)
      return { apiUrl: given.apiUrl, token: undefined, actor: null, exposed: false };
    throw new SluiceError(
      'unknown_actor',
      `${join(given.home, PROFILE_FILE)} does not exist, so there is no actor ${name}`,
      {
        facts: { actor: name },
      },
    );
  }
  const token = Object.hasOwn(profile.actors, name) ? profile.actors[name] : undefined;
  if (token === undefined)
    throw new SluiceError(
      'unknown_actor',
      `cli.json has no actor ${name}; it has ${Object.keys(profile.actors).join(', ')}`,
      { facts: { actor: name, actors: Object.keys(profile.actors) } },
    );
  return { apiUrl: profile.apiUrl, token, actor: name, exposed: profile.exposed };
}

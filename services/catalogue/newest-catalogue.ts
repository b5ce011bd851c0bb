/** The newest catalogue version: the one meant when a request names none. */
import { SluiceError } from '../../errors.ts';
import type { Openings } from '../../graph/calendar/openings.ts';
import { type CatalogueVersion, newestVersion } from '../../store/catalogue/catalogue.ts';
import type { ServiceDeps } from '../deps.ts';

/** The newest catalogue version; null: none was applied yet. */
export async function newestCatalogue(
  deps: Pick<ServiceDeps, 'pool' | 'versionOf'>,
): Promise<CatalogueVersion | null> {
  const version = await newestVersion(deps.pool);
  return version === null ? null : deps.versionOf(version);
}

/** Which periods the schedules of the newest catalogue open; null: every period counts. */
export const newestOpenings = async (
  deps: Pick<ServiceDeps, 'pool' | 'versionOf'>,
): Promise<Openings | null> => (await newestCatalogue(deps))?.openings ?? null;

/** The given catalogue version; default: the newest. Throws `no_catalogue`, `unknown_version`. */
export async function versionOf(
  deps: Pick<ServiceDeps, 'pool' | 'versionOf'>,
  version?: number,
): Promise<CatalogueVersion> {
  if (version !== undefined) return deps.versionOf(version);
  const found = await newestCatalogue(deps);
  if (found === null) throw new SluiceError('no_catalogue', 'no catalogue was applied yet');
  return found;
}

/** The hash by which a repeated request is compared: the same key with another body is refused (protocol B1). */
import { createHash } from 'node:crypto';
import { canonicalJson } from '../../graph/compiled/hash.ts';

/** SHA-256 of any JSON; the order of fields does not matter. */
export const bodyHash = (body: unknown): string =>
  createHash('sha256').update(canonicalJson(body)).digest('base64url');

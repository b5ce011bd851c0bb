/**
 * Where the API is: one address, or several with commas between them, of APIs that serve the same record (docs/operations.md, "Several
 * machines"). Agents and the command line stay with the one that answers and move on when it is lost; a request that is repeated at
 * another one carries the same ids, so that nothing happens twice (protocol B1, C1).
 */

export interface Addresses {
  /** In the order in which they were given, without a slash at the end. */
  readonly all: readonly string[];
  /** The one to ask now. */
  current(): string;
  /** `address` does not answer: the next one's turn, unless another request has moved on already. */
  lost(address: string): void;
}

/** `text`: `http://a:7070` or `http://a:7070,http://b:7070`; checked already. */
export function addressesOf(text: string): Addresses {
  const all = text.split(',').map((part) => part.trim().replace(/\/+$/, ''));
  let at = 0;
  return {
    all,
    current: () => all[at]!,
    lost(address) {
      if (address === all[at]) at = (at + 1) % all.length;
    },
  };
}

/** Whether a status says that the API at this address is out of order, and nothing about the request: another address may answer it. */
export const isAway = (status: number): boolean => status === 502 || status === 503 || status === 504;

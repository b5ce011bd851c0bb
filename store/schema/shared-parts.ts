/** Definitions whose equal parts are one object: in 13,000 flows most retries, pools, programs and edges are the same few. */
import type { Flow } from '../../graph/model.ts';

/**
 * Reads flows from JSON, one after the other. What is equal in them, a text, an edge, any other part, is the same frozen object in all, so
 * 13,000 flows of an estate take 7 MB instead of 16 (docs/performance.md). Keep the function only while reading: it holds every part.
 * O(length of the text).
 */
export function flowReader(): (json: string) => Flow {
  const texts = new Map<string, string>();
  const parts = new Map<string, object>();
  const textOf = (text: string): string => {
    const known = texts.get(text);
    if (known !== undefined) return known;
    texts.set(text, text);
    return text;
  };
  const partOf = (part: object): object => {
    const key = JSON.stringify(part);
    const known = parts.get(key);
    if (known !== undefined) return known;
    parts.set(key, frozen(part));
    return part;
  };
  return (json) => {
    const flow = JSON.parse(json) as Record<string, unknown>;
    for (const name in flow) {
      const value = flow[name];
      if (typeof value === 'string') flow[name] = textOf(value);
      // Lists of several upstream flows, and names, are hardly ever the same twice.
      else if (Array.isArray(value) && value.length > 1) flow[name] = value.map(shared);
      else if (typeof value === 'object' && value !== null && name !== 'names') flow[name] = partOf(value);
    }
    return flow as unknown as Flow;
  };

  function shared(value: unknown): unknown {
    if (typeof value === 'string') return textOf(value);
    return typeof value === 'object' && value !== null ? partOf(value) : value;
  }
}

/** One that changes it would change it in every flow. */
function frozen<T extends object>(part: T): T {
  for (const value of Object.values(part)) if (typeof value === 'object' && value !== null) frozen(value);
  return Object.freeze(part);
}

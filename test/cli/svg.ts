/** What holds for every picture of the product. */
import { expect } from 'vitest';

/** Every element is closed in its turn, and no text holds a character that ends it. */
export function expectWellFormed(svg: string): void {
  const open: string[] = [];
  for (const [, closing, name, rest] of svg.matchAll(
    /<(\/?)([a-z]+)((?:\s[a-zA-Z0-9-]+="[^"<]*"|\s*\/)*)>/g,
  )) {
    if (closing === '/') expect(open.pop()).toBe(name);
    else if (!rest!.endsWith('/')) open.push(name!);
  }
  expect(open).toEqual([]);
  expect(svg.replaceAll(/<\/?[a-z]+[^<>]*>/g, '')).not.toMatch(/[<>]|&(?!(amp|lt|gt|quot);)/);
}

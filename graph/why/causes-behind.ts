/** Which causes stand behind flows of other runs, directly or through further runs: sets of causes that flow along edges between runs. */
import { components } from '../compiled/loops.ts';
import type { Remote } from './found-causes.ts';

interface Entry {
  readonly own: Set<number>;
  /** Causes of its run as a whole. */
  readonly general: Set<number>;
  /** By entry that it waits for: the edge to that, the first by its id. */
  readonly through: Map<number, Remote>;
}

export class CausesBehind {
  readonly #causes = new Map<string, { readonly place: number; readonly remote: Remote }>();
  readonly #list: Remote[] = [];
  readonly #places = new Map<string, number>();
  readonly #entries: Entry[] = [];
  #sets: { readonly of: Int32Array; readonly bits: readonly Uint32Array[] } | null = null;

  /** A cause of the flow `name` (`RUN FLOW`). One that is known already gains the ends of this one. */
  add(name: string, remote: Remote): void {
    this.#entry(name).own.add(this.#intern(remote));
  }

  /** The same for a cause of its run as a whole. */
  addGeneral(name: string, remote: Remote): void {
    this.#entry(name).general.add(this.#intern(remote));
  }

  /** The flow waits for what `other` waits for, over an edge that is the cause when flows of several runs wait for one another in a circle. */
  addThrough(name: string, other: string, edge: Remote): void {
    const { through } = this.#entry(name);
    const place = this.#place(other);
    const known = through.get(place);
    if (known === undefined || edge.id < known.id) through.set(place, edge);
  }

  /** O(entries x causes / 32) at the first question; then O(causes). */
  of(name: string): Remote[] {
    this.#sets ??= this.#spread();
    const bits = this.#sets.bits[this.#sets.of[this.#place(name)]!]!;
    const found: Remote[] = [];
    bits.forEach((word, w) => {
      for (let rest = word; rest !== 0; rest &= rest - 1)
        found.push(this.#list[32 * w + 31 - Math.clz32(rest & -rest)]!);
    });
    return found.filter(({ silent }) => !silent);
  }

  #intern(remote: Remote): number {
    const known = this.#causes.get(remote.id);
    if (known === undefined) {
      this.#causes.set(remote.id, { place: this.#list.length, remote });
      return this.#list.push(remote) - 1;
    }
    if (known.remote !== remote && !known.remote.ends.includes(remote.ends[0]!))
      known.remote.ends.push(...remote.ends);
    return known.place;
  }

  #place(name: string): number {
    const known = this.#places.get(name);
    if (known !== undefined) return known;
    this.#places.set(name, this.#entries.length);
    return this.#entries.push({ own: new Set(), general: new Set(), through: new Map() }) - 1;
  }

  #entry(name: string): Entry {
    return this.#entries[this.#place(name)]!;
  }

  /** The sets of all entries; those that wait for one another have the same. */
  #spread(): { of: Int32Array; bits: Uint32Array[] } {
    const upOff = new Int32Array(this.#entries.length + 1);
    const up: number[] = [];
    this.#entries.forEach(({ through }, i) => {
      up.push(...through.keys());
      upOff[i + 1] = up.length;
    });
    const { of, count, loops } = components({ upOff, up: Int32Array.from(up) });
    const circles = new Set(loops.map(([first]) => of[first!]!));
    const members = Array.from({ length: count }, (): number[] => []);
    this.#entries.forEach((_, i) => {
      members[of[i]!]!.push(i);
    });
    // A circle adds its edge to the causes, so there is room for one more of each.
    const words = Math.ceil((this.#list.length + circles.size) / 32);
    const bits: Uint32Array[] = [];
    for (const list of members) {
      const set = new Uint32Array(words);
      const add = (place: number): void => {
        set[place >> 5]! |= 1 << (place & 31);
      };
      let isFinal = circles.has(bits.length);
      for (const i of list) {
        const { own, general, through } = this.#entries[i]!;
        for (const place of own) add(place);
        for (const place of general) add(place);
        for (const u of through.keys()) if (of[u] !== bits.length) or(set, bits[of[u]!]!);
        if (own.size > 0 || [...through.keys()].some((u) => of[u] !== bits.length)) isFinal = false;
      }
      if (isFinal) {
        const edges = list.flatMap((i) => [...this.#entries[i]!.through.values()]);
        add(this.#intern(edges.reduce((a, b) => (a.id < b.id ? a : b))));
      }
      bits.push(set);
    }
    return { of, bits };
  }
}

function or(set: Uint32Array, other: Uint32Array): void {
  for (let w = 0; w < set.length; w++) set[w]! |= other[w]!;
}

/** Which causes stand behind nodes of a graph that spans several runs: sets of causes that spread along its edges, 512 causes at a time. */
import { components, type Upstreams } from '../compiled/loops.ts';
import type { Remote } from './found-causes.ts';

/** Words of 32 causes that one pass carries; memory is `4 x WORDS x nodes` bytes. */
const WORDS = 16;

interface Edge {
  readonly from: number;
  readonly to: number;
  /** Between two runs: the cause that the edge is when nothing else is behind it. */
  readonly cause: (() => Remote) | null;
}

export class CausesBehind {
  readonly #nodes: number;
  readonly #edges: Edge[] = [];
  readonly #list: Remote[] = [];
  readonly #places = new Map<string, number>();
  /** By cause the nodes where it is; of causes that are the whole run's those where others enter it. */
  readonly #own: number[][] = [];
  /** Nodes with a cause that is not only the whole run's. */
  readonly #ends: Uint8Array;

  constructor(nodes: number) {
    this.#nodes = nodes;
    this.#ends = new Uint8Array(nodes);
  }

  /** A cause at a node. One that is known already gains the ends of this one. */
  add(node: number, remote: Remote): void {
    this.addGeneral(node, remote);
    this.#ends[node] = 1;
  }

  /** The same for a cause of the run as a whole: what waits in it may have others. */
  addGeneral(node: number, remote: Remote): void {
    this.#own[this.#intern(remote)]!.push(node);
  }

  /** Node `from` waits for node `to`. */
  addEdge(from: number, to: number, cause: (() => Remote) | null = null): void {
    this.#edges.push({ from, to, cause });
  }

  /** The causes behind each of these nodes. O((nodes + edges) x causes / 32). */
  of(nodes: readonly number[]): Remote[][] {
    const upOff = new Int32Array(this.#nodes + 1);
    for (const { from } of this.#edges) upOff[from + 1]!++;
    for (let i = 0; i < this.#nodes; i++) upOff[i + 1]! += upOff[i]!;
    const up = new Int32Array(this.#edges.length);
    const next = upOff.slice();
    for (const { from, to } of this.#edges) up[next[from]!++] = to;
    const { of, count, loops } = components({ upOff, up });
    // Components in the order of their numbers: what they wait for has smaller ones.
    const order = Array.from(of.keys()).sort((a, b) => of[a]! - of[b]!);
    this.#addCircles(of, loops, this.#leading(of, loops, order, { upOff, up }));
    const found = nodes.map((): Remote[] => []);
    for (let first = 0; first < this.#list.length; first += 32 * WORDS) {
      const end = Math.min(this.#list.length, first + 32 * WORDS);
      const words = Math.ceil((end - first) / 32);
      const bits = new Int32Array(count * words);
      for (let cause = first; cause < end; cause++) {
        const [word, bit] = [(cause - first) >> 5, 1 << ((cause - first) & 31)];
        for (const node of this.#own[cause]!) bits[of[node]! * words + word]! |= bit;
      }
      for (const node of order)
        for (let e = upOff[node]!; e < upOff[node + 1]!; e++) {
          const [to, from] = [of[node]! * words, of[up[e]!]! * words];
          if (to !== from) for (let w = 0; w < words; w++) bits[to + w]! |= bits[from + w]!;
        }
      nodes.forEach((node, i) => {
        for (let cause = first; cause < end; cause++) {
          const word = bits[of[node]! * words + ((cause - first) >> 5)]!;
          const remote = this.#list[cause]!;
          if (((word >>> ((cause - first) & 31)) & 1) === 1 && !remote.silent) found[i]!.push(remote);
        }
      });
    }
    return found;
  }

  #intern(remote: Remote): number {
    const known = this.#places.get(remote.id);
    if (known === undefined) {
      this.#places.set(remote.id, this.#list.length);
      this.#own.push([]);
      return this.#list.push(remote) - 1;
    }
    const { ends } = this.#list[known]!;
    for (const end of remote.ends) if (!ends.includes(end)) ends.push(end);
    return known;
  }

  /** Components that lead to a cause or to a circle: a way to members of a rerun plan may end without having met one, and nobody waits for that. */
  #leading(
    of: Int32Array,
    loops: readonly (readonly number[])[],
    order: readonly number[],
    { upOff, up }: Upstreams,
  ): Uint8Array {
    const leading = new Uint8Array(this.#nodes);
    for (const [node] of loops) leading[of[node!]!] = 1;
    for (const node of order) {
      if (this.#ends[node] === 1) leading[of[node]!] = 1;
      for (let e = upOff[node]!; e < upOff[node + 1]!; e++)
        if (leading[of[up[e]!]!] === 1) leading[of[node]!] = 1;
    }
    return leading;
  }

  /** Flows of several runs that wait for one another, and for nothing else: the first of the edges between their runs is the cause. */
  #addCircles(of: Int32Array, loops: readonly (readonly number[])[], leading: Uint8Array): void {
    const open = new Set(loops.map(([node]) => of[node!]!));
    for (const [node, isEnd] of this.#ends.entries()) if (isEnd === 1) open.delete(of[node]!);
    for (const { from, to } of this.#edges)
      if (of[from] !== of[to] && leading[of[to]!] === 1) open.delete(of[from]!);
    const first = new Map<number, { cause: Remote; node: number }>();
    for (const { from, cause } of this.#edges) {
      if (cause === null || !open.has(of[from]!)) continue;
      const [made, known] = [cause(), first.get(of[from]!)];
      if (known === undefined || made.id < known.cause.id) first.set(of[from]!, { cause: made, node: from });
    }
    for (const { cause, node } of first.values()) this.add(node, cause);
  }
}

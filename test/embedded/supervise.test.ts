import { describe, expect, test, vi } from 'vitest';
import type { Exit } from '../../embedded/children.ts';
import { restartDelay, supervise } from '../../embedded/supervise.ts';

/** A part whose end the test decides. */
function part() {
  let end: (exit: Exit) => void = () => undefined;
  const exited = new Promise<Exit>((resolve) => {
    end = resolve;
  });
  return { exited, end, stop: async () => end({ code: 0, signal: null }) };
}

describe('a supervised part', () => {
  test('that ends by itself is started again, and it is said', async () => {
    const parts: ReturnType<typeof part>[] = [];
    const said: string[] = [];
    const start = async () => {
      parts.push(part());
      return parts.at(-1)!;
    };
    const watched = await supervise('PostgreSQL', start, (text) => said.push(text));
    parts[0]!.end({ code: null, signal: 'SIGKILL' });
    await vi.waitFor(() => expect(said).toContain('PostgreSQL is back'), 60_000);
    expect(said[0]).toBe('PostgreSQL ended (signal SIGKILL); it is started again');
    expect(watched.current()).toBe(parts[1]);
    await watched.stop();
    expect(parts).toHaveLength(2);
  });

  test('that cannot be started again is tried again, and each failure is said', async () => {
    const first = part();
    const third = part();
    const starts = [
      () => Promise.resolve(first),
      () => Promise.reject(new Error('no disk')),
      () => Promise.resolve(third),
    ];
    const said: string[] = [];
    const watched = await supervise(
      'Temporal',
      () => starts.shift()!(),
      (text) => said.push(text),
    );
    first.end({ code: 1, signal: null });
    await vi.waitFor(() => expect(said.at(-1)).toBe('Temporal is back'), 60_000);
    expect(said).toContain('Temporal could not be started again: no disk');
    expect(watched.current()).toBe(third);
    await watched.stop();
  });

  test('that was stopped stays stopped, also when a restart is under way', async () => {
    const first = part();
    const second = part();
    const starting = Promise.withResolvers<typeof first>();
    const asked = Promise.withResolvers<void>();
    const starts = [
      () => Promise.resolve(first),
      () => {
        asked.resolve();
        return starting.promise;
      },
    ];
    const watched = await supervise(
      'api',
      () => starts.shift()!(),
      () => undefined,
    );
    first.end({ code: 1, signal: null });
    await asked.promise;
    const stopped = watched.stop();
    starting.resolve(second);
    await stopped;
    expect(await second.exited).toEqual({ code: 0, signal: null });
    expect(starts).toHaveLength(0);
  });

  test('whose first start fails throws to its caller', async () => {
    const start = () => Promise.reject(new Error('port_in_use'));
    await expect(supervise('api', start, () => undefined)).rejects.toThrow('port_in_use');
  });
});

describe('the delay before a restart', () => {
  const minute = 60_000;
  test.each([
    ['first of the minute', { restarts: [], want: 250 }],
    ['doubles', { restarts: [minute - 5_000, minute - 1_000], want: 1_000 }],
    ['the sixth waits until the first is a minute old', { restarts: [10, 20, 30, 40, 50], want: 10 }],
    ['older ones are forgotten', { restarts: [-10, -5, 0], want: 250 }],
  ])('%s', (_, { restarts, want }) => {
    expect(restartDelay([...restarts], minute)).toBe(want);
  });
});

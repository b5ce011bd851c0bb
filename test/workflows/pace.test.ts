/** When a coordinator waits inside its task (decision 0014). */
import { expect, test } from 'vitest';
import { Pace } from '../../workflows/pace.ts';

test('a run that hears something now and then waits for signals', () => {
  const pace = new Pace();
  expect(pace.gatherMs(1_000)).toBeNull();
  pace.read(1, 1_000);
  expect(pace.gatherMs(1_000)).toBeNull();
  pace.read(1, 1_201);
  expect(pace.gatherMs(1_201)).toBeNull();
});

test('one that hears something twice within 200 ms waits inside its task, until it has heard nothing for as long', () => {
  const pace = new Pace();
  pace.read(1, 1_000);
  pace.read(1, 1_200);
  expect(pace.gatherMs(1_200)).toBe(0);
  // Looks that find nothing change nothing.
  pace.read(0, 1_300);
  expect(pace.gatherMs(1_400)).toBe(0);
  expect(pace.gatherMs(1_401)).toBeNull();
});

test('one that has found many leaves time for more, up to 5 ms', () => {
  const pace = new Pace();
  pace.read(3, 1_000);
  pace.read(7, 1_010);
  expect(pace.gatherMs(1_010)).toBe(3);
  pace.read(400, 1_020);
  expect(pace.gatherMs(1_020)).toBe(5);
});

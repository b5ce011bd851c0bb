/** When a coordinator waits inside its task (decision 0014). */
import { expect, test } from 'vitest';
import { Pace } from '../../workflows/pace.ts';

test('a run that hears something now and then waits for signals', () => {
  const pace = new Pace();
  expect(pace.spacing(1_000)).toBeNull();
  pace.read(1, 1_000);
  expect(pace.spacing(1_000)).toBeNull();
  pace.read(1, 1_201);
  expect(pace.spacing(1_201)).toBeNull();
});

test('one that hears something twice within 200 ms waits inside its task, until it has heard nothing for as long', () => {
  const pace = new Pace();
  pace.read(1, 1_000);
  pace.read(1, 1_200);
  expect(pace.spacing(1_200)).toBe(1);
  // Looks that find nothing change nothing.
  pace.read(0, 1_300);
  expect(pace.spacing(1_400)).toBe(1);
  expect(pace.spacing(1_401)).toBeNull();
});

test('the more the last look has found, the more is waited for, up to 25 ms', () => {
  const pace = new Pace();
  pace.read(3, 1_000);
  pace.read(7, 1_010);
  expect(pace.spacing(1_010)).toBe(7);
  pace.read(400, 1_020);
  expect(pace.spacing(1_020)).toBe(25);
});

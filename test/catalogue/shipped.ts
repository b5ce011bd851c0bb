/** The shipped catalogue, read from its files. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkCatalogue } from '../../graph/catalogue/check.ts';
import type { Flow } from '../../graph/model.ts';

export const catalogueFolder = join(import.meta.dirname, '..', '..', 'catalogue', 'month-start');
export const programsFolder = join(catalogueFolder, 'programs');

export const shipped = checkCatalogue(
  readdirSync(catalogueFolder)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((name) => ({ path: name, text: readFileSync(join(catalogueFolder, name), 'utf8') })),
);

const byId = new Map(shipped.flows.map((flow) => [flow.id, flow]));

/** The flow of that id; fails when there is none. */
export function flowOf(id: string): Flow {
  const flow = byId.get(id);
  if (flow === undefined) throw new Error(`no flow ${id} in the shipped catalogue`);
  return flow;
}

export const programText = (file: string): string => readFileSync(join(programsFolder, file), 'utf8');

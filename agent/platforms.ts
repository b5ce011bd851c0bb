/** The platforms of one agent, by the type of program that they execute. */
import { join } from 'node:path';
import { createExportPlatform } from '../platforms/copy/export.ts';
import { createImportPlatform } from '../platforms/copy/import.ts';
import { createNoopPlatform } from '../platforms/noop.ts';
import type { Containment } from '../platforms/shell/attempt-folder.ts';
import { createShellPlatform } from '../platforms/shell/shell.ts';
import { Sessions } from '../platforms/sql/session.ts';
import { createSqlPlatform } from '../platforms/sql/sql.ts';
import type { Platforms } from './attempts.ts';

export interface PlatformsOptions {
  readonly agentName: string;
  /** The agent's platform. By convention its main connection has the same name. */
  readonly platform: string;
  readonly connections: Readonly<Record<string, string>>;
  readonly spool: string;
  /** Environment and working directory that shell programs begin with. */
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly containment: Containment;
  /** A shell program whose output passes this many MB is ended; default 10,000. */
  readonly outputMb?: number;
  /** Time between SIGTERM and SIGKILL for shell programs, ms. */
  readonly graceMs: number;
}

export function createPlatforms(options: PlatformsOptions): Platforms {
  const { agentName, connections } = options;
  const sessions = new Sessions();
  const keeper = join(import.meta.dirname, 'keeper', 'main.ts');
  return {
    sql: createSqlPlatform({ connections, defaultConnection: options.platform, sessions }),
    export: createExportPlatform({ connections, agentName, sessions }),
    import: createImportPlatform({ connections, agentName, sessions }),
    noop: createNoopPlatform(),
    shell: createShellPlatform({ ...options, keeper }),
  };
}

/** What the two halves of a distribution are constructed from. */
import type { Connections } from '../sql/connections.ts';
import type { Sessions } from '../sql/session.ts';

export interface CopyPlatformOptions {
  /** The agent's own URLs by name. */
  readonly connections: Connections;
  /** Stands in the control rows. */
  readonly agentName: string;
  /** Shared by the platforms of one agent; default: its own. */
  readonly sessions?: Sessions;
}

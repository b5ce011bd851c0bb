/** PostgreSQL's notifications inside this process. A notification may be lost while the connection is restored, so waiting code also polls. */
import { listen } from '../store/schema/listen.ts';

export const CHANNELS = [
  'sluice_operation',
  'sluice_run',
  'sluice_outbox',
  'sluice_stop',
  'sluice_actors',
] as const;
export type Channel = (typeof CHANNELS)[number];

type Listener = (payload: string) => void;

export interface Notifications {
  /** Calls `listener` for each notification of the channel until the returned function is called. */
  on(channel: Channel, listener: Listener): () => void;
  close(): Promise<void>;
}

/** Resolves once listening. */
export async function openNotifications(
  url: string,
  log: { warn(facts: object, message: string): void },
): Promise<Notifications> {
  const listeners = new Map<string, Set<Listener>>(CHANNELS.map((channel) => [channel, new Set()]));
  const stop = await listen(
    url,
    CHANNELS,
    (channel, payload) => {
      for (const listener of [...(listeners.get(channel) ?? [])]) listener(payload);
    },
    { log },
  );
  return {
    on(channel, listener) {
      const set = listeners.get(channel)!;
      set.add(listener);
      return () => set.delete(listener);
    },
    close: stop,
  };
}

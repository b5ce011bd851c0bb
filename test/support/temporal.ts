/** The run's Temporal server, shared by all test files: what keeps them apart is the task queue. */
import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';

/** `host:port` of the server; its namespace is `default`. */
export const temporalAddress = (): string => inject('temporalAddress');

/** A task queue (and prefix for workflow ids) that no other test uses. */
export const uniqueName = (what = 'test'): string => `${what}-${randomBytes(4).toString('hex')}`;

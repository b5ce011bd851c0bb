/**
 * Log lines of our processes, on stdout. A full disk costs lines, never the process: pino's own stream tries again in a busy loop at the end
 * of a process (an API was seen standing still for ever, alive and answering nobody), and ends it in the middle otherwise.
 */
import { writeSync } from 'node:fs';
import pino, { type Logger, type LoggerOptions } from 'pino';

export interface LogLines {
  write(line: string): void;
}

/** Writes lines to a file descriptor as long as it takes them; once it does again, a line says how many are missing. */
export function logLines(fd: number): LogLines {
  let lost = 0;
  /** The last line was written in part. */
  let cut = false;
  return {
    write(line) {
      const missing =
        lost === 0
          ? ''
          : `${JSON.stringify({ level: 40, time: Date.now(), lost, msg: 'log lines were lost' })}\n`;
      const bytes = Buffer.from(`${cut ? '\n' : ''}${missing}${line}`);
      let done = 0;
      try {
        while (done < bytes.length) done += writeSync(fd, bytes, done);
        lost = 0;
        cut = false;
      } catch {
        lost++;
        cut ||= done > 0;
      }
    },
  };
}

/** One for all loggers of a process, so that lines of one do not land inside those of another. */
export const processLines = logLines(1);

/** A logger for lines that have facts and a text; pino's is one. */
export interface EventLogger {
  info(facts: object, text: string): void;
  warn(facts: object, text: string): void;
  error(facts: object, text: string): void;
}

/** A logger of this process. */
export const createLogger = (options: LoggerOptions): Logger => pino(options, processLines);

/** Numbers of this process and of the record, in the text format of Prometheus. */
import type { ServiceDeps } from '../services/deps.ts';
import { readGauges } from '../store/history/gauges.ts';
import type { Api } from './instance.ts';

export interface Metrics {
  render(): Promise<string>;
}

/** Upper bounds of the buckets of request durations, seconds. */
const BUCKETS = [0.005, 0.02, 0.05, 0.2, 0.5, 2, 10] as const;

interface Series {
  readonly labels: string;
  count: number;
  sum: number;
  readonly buckets: number[];
}

/** Counts every answered request by route (as declared, never as typed: names stay few), method and status. */
export function createMetrics(app: Api, deps: Pick<ServiceDeps, 'pool'>): Metrics {
  const requests = new Map<string, Series>();
  app.addHook('onResponse', async (request, reply) => {
    const route = request.is404 ? 'none' : (request.routeOptions.url ?? 'none');
    const labels = `method="${request.method}",route="${route}",status="${reply.statusCode}"`;
    let series = requests.get(labels);
    if (series === undefined) {
      series = { labels, count: 0, sum: 0, buckets: BUCKETS.map(() => 0) };
      requests.set(labels, series);
    }
    const seconds = reply.elapsedTime / 1000;
    series.count++;
    series.sum += seconds;
    BUCKETS.forEach((bound, i) => {
      if (seconds <= bound) series.buckets[i]!++;
    });
  });

  return {
    async render() {
      const lines = ['# TYPE sluice_http_request_seconds histogram'];
      for (const { labels, count, sum, buckets } of requests.values()) {
        BUCKETS.forEach((bound, i) => {
          lines.push(`sluice_http_request_seconds_bucket{${labels},le="${bound}"} ${buckets[i]}`);
        });
        lines.push(
          `sluice_http_request_seconds_bucket{${labels},le="+Inf"} ${count}`,
          `sluice_http_request_seconds_sum{${labels}} ${sum}`,
          `sluice_http_request_seconds_count{${labels}} ${count}`,
        );
      }
      const { rss, heapUsed } = process.memoryUsage();
      lines.push(
        ...gauge('sluice_process_resident_bytes', rss),
        ...gauge('sluice_process_heap_bytes', heapUsed),
        ...gauge('sluice_pool_connections', deps.pool.totalCount),
        ...gauge('sluice_pool_waiting', deps.pool.waitingCount),
        ...(await ofRecord(deps)),
      );
      return `${lines.join('\n')}\n`;
    },
  };
}

const gauge = (name: string, value: number): string[] => [`# TYPE ${name} gauge`, `${name} ${value}`];

async function ofRecord({ pool }: Pick<ServiceDeps, 'pool'>): Promise<string[]> {
  const lines: string[] = [];
  let last = '';
  for (const { name, label, value } of await readGauges(pool)) {
    if (name !== last) lines.push(`# TYPE ${name} gauge`);
    last = name;
    lines.push(
      label === null ? `${name} ${value}` : `${name}{of="${label.replaceAll(/["\\\n]/g, '_')}"} ${value}`,
    );
  }
  return lines;
}

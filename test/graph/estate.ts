/** Catalogue files the size of the estate, made from a seed: what the figures of design 5 are measured on. */
import { randomOf } from '../../bench/graphs.ts';
import type { SourceFile } from '../../graph/parse.ts';

const LAYERS = ['ODS', 'DIM', 'DWD', 'DWA', 'DWA_THEME', 'APP'];

/** `flows` flows in `flows / 500` layers, 4 to 5 upstreams each, cut into files of 500, with connections, pools and a calendar. */
export function estate(flows: number, seed = 42): SourceFile[] {
  const random = randomOf(seed);
  const width = Math.min(500, flows);
  const id = (i: number) => `DwdSubscriberUsageDetail${String(i).padStart(5, '0')}D`;
  const files: SourceFile[] = [
    {
      path: 'frame.yaml',
      text: `calendars:
  - { id: china, holidays: [2026-10-01, 2026-10-02], makeUpDays: [2026-10-10] }
connections:
  - { id: yt, platform: yt }
  - { id: mpp, platform: mpp }
pools:
  - { id: bulk, size: 20 }
procedures:
  - { id: P04, names: { en: DWD month chain, zh: DWD 月流程 }, owner: dwd, cycle: day }
`,
    },
  ];
  for (let first = 0; first < flows; first += width) {
    const lines = [`# Layer ${first / width}`, 'flows:'];
    for (let i = first; i < Math.min(first + width, flows); i++) {
      const platform = i % 5 === 0 ? 'mpp' : 'yt';
      lines.push(
        `  - id: ${id(i)}`,
        '    kind: job',
        `    names: { en: Usage detail ${i}, zh: 用户使用明细 ${i} }`,
        '    cycle: day',
        `    layer: ${LAYERS[Math.floor(first / width) % LAYERS.length]}`,
        `    owner: team${i % 9}`,
        `    platform: ${platform}`,
        `    program: { type: sql, file: dwd/usage-${i}.sql, connection: ${platform} }`,
        '    parameters: { day: { from: day } }',
        `    writes: [DWD.USAGE_DETAIL_${i}]`,
      );
      if (i % 7 === 0) lines.push('    procedure: P04', '    deadline: +1 day, 08:00');
      if (i % 11 === 0) lines.push('    uses: [{ pool: bulk }]', '    retries: { program: 1 }');
      if (first > 0) {
        const upstreams = new Set<number>();
        while (upstreams.size < Math.min(4 + (i % 2), width))
          upstreams.add(first - width + Math.floor(random() * width));
        lines.push('    after:', ...[...upstreams].map((u) => `      - ${id(u)}`));
        if (i % 20 === 0) lines.push(`      - { flow: ${id(i)}, period: previous }`);
      }
    }
    files.push({
      path: `flows-${String(first / width).padStart(2, '0')}.yaml`,
      text: `${lines.join('\n')}\n`,
    });
  }
  return files;
}

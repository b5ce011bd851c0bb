/**
 * What was said, for a sentence of `why`: in one line, with the end of stderr beside the exit code. What Sluice itself said is put into Chinese
 * as well; what a person, a program or a database said stays as it is.
 */
import type { Sentence } from '../text/sentence.ts';

/** A sentence takes this many characters of what was said, and of the end of stderr. */
const SAID_CHARACTERS = 200;
const STDERR_CHARACTERS = 600;
const STDERR = '\nstderr: ';

/** Words of platforms/shell/shell-ending.ts, platforms/shell/log-pump.ts, graph/why/claim-conditions.ts and graph/run/room.ts. */
const IN_CHINESE: readonly (readonly [RegExp, string])[] = [
  [/^exit code (\d+)$/, '退出码 $1'],
  [
    /^killed by (SIG\w+) \(exit code (\d+)\), not by Sluice; perhaps a memory limit$/,
    '被 $1 终止（退出码 $2），并非 Sluice 所为；可能触及内存限制',
  ],
  [/^killed by (SIG\w+) \(exit code (\d+)\)$/, '被 $1 终止（退出码 $2）'],
  [/^no end within (\d+) ms$/, '$1 毫秒内未结束'],
  [/^ended: its output passed (\d+) MB$/, '已终止：输出超过 $1 MB'],
  [/^needs (\d+), (\d+) of (\d+) used$/, '需要 $1，已用 $2，共 $3'],
  [/^needs (\d+) of a pool that does not exist$/, '需要 $1，但该资源池不存在'],
  [/^pool (.+), needs (\d+), (\d+) of (\d+) used$/, '资源池 $1 需要 $2，已用 $3，共 $4'],
  [/^a slot of (.+)$/, '代理 $1 的槽位'],
];

/** `reason`: of an attempt, a decision or a state. Its first line, and the end of stderr when it has one. */
export function saidText(reason: string): Sentence {
  const at = reason.indexOf(STDERR);
  const own = at < 0 ? reason : reason.slice(0, at);
  const line = first(own.split('\n', 1)[0]!, SAID_CHARACTERS);
  const known = IN_CHINESE.find(([pattern]) => pattern.test(line));
  const zh = known === undefined ? line : line.replace(...known);
  if (at < 0) return { en: line, zh };
  const tail = last(reason.slice(at + STDERR.length).replaceAll('\n', ' / '), STDERR_CHARACTERS);
  return { en: `${line}; stderr: ${tail}`, zh: `${zh}；标准错误输出：${tail}` };
}

function first(text: string, most: number): string {
  const characters = [...text.slice(0, 2 * most + 2)];
  return characters.length <= most ? text : `${characters.slice(0, most).join('')}…`;
}

function last(text: string, most: number): string {
  const characters = [...text];
  return characters.length <= most ? text : `…${characters.slice(-most).join('')}`;
}

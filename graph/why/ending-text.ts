/**
 * Reasons in one line, for a sentence of `why`: what the record has, and the end of stderr. Messages of Sluice are translated to Chinese; those of
 * a person, a program or a database stay as they are.
 */
import type { Sentence } from '../text/sentence.ts';

/** Limits in characters of a message, and of the end of stderr, in a sentence. */
const SAID_CHARACTERS = 200;
const STDERR_CHARACTERS = 600;
const STDERR = '\nstderr: ';

/**
 * What agents say of an ending (platforms/shell, platforms/sql) and what graph/why/claim-conditions.ts and graph/run/room.ts say, and the same
 * in Chinese. Agents and records of earlier versions have the older words, so those stay in the patterns.
 */
const IN_CHINESE: readonly (readonly [RegExp, string])[] = [
  [/^exit code (\d+)$/, '退出码 $1'],
  [
    /^killed by (SIG\w+) \(exit code (\d+)\), not by Sluice; perhaps a memory limit$/,
    '被 $1 终止（退出码 $2），并非 Sluice 所为；可能触及内存限制',
  ],
  [/^killed by (SIG\w+) \(exit code (\d+)\)$/, '被 $1 终止（退出码 $2）'],
  [/^needs (\d+), (\d+) of (\d+) used$/, '需要 $1，已用 $2，共 $3'],
  [/^needs (\d+) of a pool that does not exist$/, '需要 $1，但该资源池不存在'],
  [/^pool (.+), needs (\d+), (\d+) of (\d+) used$/, '资源池 $1 需要 $2，已用 $3，共 $4'],
  [/^a slot of (.+)$/, '代理 $1 的槽位'],
  [/^(?:timed out after|no end within) (\d+) ms$/, '$1 毫秒内未结束'],
  [/^ended: its output (?:exceeded|passed) (\d+) MB$/, '已终止：输出超过 $1 MB'],
  [/^no contact with the API for (\d+) ms$/, '与 API 失去联系已达 $1 毫秒'],
  [
    /^no contact with the API for (\d+) ms: the program was ended$/,
    '与 API 失去联系已达 $1 毫秒，程序已被终止',
  ],
  [/^the agent (?:stopped|left) and ended the program$/, '代理停止运行，并终止了程序'],
  [/^the agent (?:stopped|left) before the program ended$/, '程序结束前，代理已停止运行'],
  [
    // Records of earlier versions have the shorter text.
    /^the agent(?: or its keeper|, its keeper or its contact with the API) ended before the program began; nothing was run$/,
    '程序启动前，代理或其看护进程已结束，或与 API 失去联系；未执行任何操作',
  ],
  [
    /^the shim of the program was killed, or .*$/,
    '程序的垫片进程被终止，或执行的目录被删除；程序启动的进程均已终止',
  ],
  [
    /^ended by (?:force, as a person decided|a person's word); these processes could not be ended: (.+)$/,
    '已按人工决定强制结束；以下进程无法终止：$1',
  ],
  [/^the agent's spool cannot be used: (.+)$/, '代理的暂存目录不可用：$1'],
  [/^the database has ended this session, .*$/, '数据库已结束该会话，但连接未断开'],
  [
    /^the connection to the database has fallen silent: .*$/,
    '数据库连接已无响应：数据库未在执行该会话的语句，也没有返回结果',
  ],
];

/** Why a program was not started, by the system's code. */
const UNLAUNCHED = /^(E[A-Z0-9]+): (.+) was not started: .+; nothing was run$/;
const REASONS: Readonly<Record<string, string>> = {
  EAGAIN: '暂时无法创建进程',
  EMFILE: '看护进程打开的文件过多',
  ENFILE: '本机打开的文件过多',
  ENOMEM: '内存不足',
  ENOSPC: '磁盘空间不足，或文件监视数已用完',
  ESHIM: '程序的垫片进程无法启动',
  ENOENT: '文件、脚本的解释器或工作目录不存在',
  ENOTDIR: '路径中有一段不是目录',
  EACCES: '当前用户无权执行',
  E2BIG: '参数和环境变量过长',
  ETXTBSY: '文件正被写入（可能正在部署）',
  ENOEXEC: '文件为空，或不是本机可执行的程序',
  ELOOP: '路径中的符号链接过多',
  EPERM: '操作系统不允许',
  ENAMETOOLONG: '文件名过长',
};

function inChinese(line: string): string {
  const unlaunched = UNLAUNCHED.exec(line);
  if (unlaunched !== null) {
    const [, code = '', program] = unlaunched;
    return `${code}：${program} 未能启动：${REASONS[code] ?? '操作系统拒绝启动'}；未执行任何操作`;
  }
  const known = IN_CHINESE.find(([pattern]) => pattern.test(line));
  return known === undefined ? line : line.replace(...known);
}

/** `reason`: of an attempt, a decision or a state. Its first line, and the end of stderr when it has one. */
export function saidText(reason: string): Sentence {
  const at = reason.indexOf(STDERR);
  const own = at < 0 ? reason : reason.slice(0, at);
  const line = first(own.split('\n', 1)[0]!, SAID_CHARACTERS);
  const zh = inChinese(line);
  if (at < 0) return { en: line, zh };
  const tail = last(reason.slice(at + STDERR.length).replaceAll('\n', ' / '), STDERR_CHARACTERS);
  return { en: `${line}; stderr: ${tail}`, zh: `${zh}；标准错误输出：${tail}` };
}

function first(text: string, limit: number): string {
  const characters = [...text.slice(0, 2 * limit + 2)];
  return characters.length <= limit ? text : `${characters.slice(0, limit).join('')}…`;
}

function last(text: string, limit: number): string {
  const characters = [...text];
  return characters.length <= limit ? text : `…${characters.slice(-limit).join('')}`;
}

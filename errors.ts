/**
 * The closed catalogue of errors. Every failure that a person or a program outside can meet has a code here;
 * `docs/errors.md` explains each one and a test holds the two together.
 *
 * Source of the shape: RFC 9457 (problem+json) for HTTP, documented exit codes for the command line.
 */

/** How one code behaves at the doors. `status` is HTTP, `exit` is the exit code of the command line. */
export interface ErrorKind {
  readonly status: number;
  readonly exit: ExitCode;
  readonly retryable: boolean;
  readonly en: string;
  readonly zh: string;
  /** How to mend it, in English and Chinese. */
  readonly remedy: { readonly en: string; readonly zh: string };
}

/** Exit codes of the command line: 0 is success, 6 is 'finished with findings', 7 needs approval. */
export type ExitCode = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 124 | 130;

const kind = (
  status: number,
  exit: ExitCode,
  en: string,
  zh: string,
  remedyEn: string,
  remedyZh: string,
  retryable = false,
): ErrorKind => ({ status, exit, retryable, en, zh, remedy: { en: remedyEn, zh: remedyZh } });

/** Code -> behaviour, in alphabetical order. */
export const ERRORS = {
  agent_name_taken: kind(
    409,
    5,
    'Another process holds this agent name',
    '该代理名已被另一进程占用',
    'Stop the other process, or wait until its instance lease ends, or choose another name.',
    '请停止另一进程，或等待其实例租约到期，或改用其他名称。',
  ),
  database_too_new: kind(
    500,
    1,
    'The database belongs to a newer Sluice',
    '数据库由更新版本的 Sluice 创建',
    'Start the newer version, or point DATABASE_URL at another database.',
    '请启动更新的版本，或将 DATABASE_URL 指向其他数据库。',
  ),
  internal: kind(
    500,
    1,
    'Something failed inside Sluice',
    '系统内部错误',
    'Look for the trace id in the log of the process that answered.',
    '请在应答进程的日志中查找该跟踪号。',
  ),
  invalid_config: kind(
    500,
    2,
    'The configuration is not usable',
    '配置不可用',
    'Correct every key that the message names; .env.example lists them all.',
    '请更正消息中列出的每个配置项；全部配置项见 .env.example。',
  ),
  invalid_period: kind(
    400,
    2,
    'This is no period, or no moment of one',
    '周期或时刻无效',
    'Write periods as 2026112208 (hour), 2026-11-22 (day) or 2026-10 (month), and moments as the message shows.',
    '周期写作 2026112208（小时）、2026-11-22（日）或 2026-10（月）；时刻写法见消息。',
  ),
} satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

/** The only class of error that Sluice throws on purpose. `detail` says what and which; the remedy comes from the catalogue. */
export class SluiceError extends Error {
  readonly code: ErrorCode;
  /** Machine-readable particulars, e.g. `{ flow, state }`; shown in problem+json. */
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    detail: string,
    options: { cause?: unknown; facts?: Record<string, unknown> } = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SluiceError';
    this.code = code;
    this.facts = options.facts ?? {};
  }

  get kind(): ErrorKind {
    return ERRORS[this.code];
  }
}

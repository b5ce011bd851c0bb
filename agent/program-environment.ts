/** What shell programs inherit from the agent's environment: only a few variables, because any other may hold a secret. */

const INHERITED = /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_.*|TZ|TMPDIR)$/;

/** `passed`: further names, or prefixes followed by `*`. Variables of Sluice itself are never passed on. */
export function programEnvironment(
  own: Readonly<Record<string, string>>,
  passed: readonly string[],
): Record<string, string> {
  const wanted = (name: string) =>
    INHERITED.test(name) ||
    passed.some((entry) => (entry.endsWith('*') ? name.startsWith(entry.slice(0, -1)) : name === entry));
  const secret = (name: string) => name.startsWith('SLUICE_') || name === 'DATABASE_URL';
  return Object.fromEntries(Object.entries(own).filter(([name]) => wanted(name) && !secret(name)));
}

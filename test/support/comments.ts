/** Finds the comments of a file of code, as plain sentences. What a string, a template or a regular expression contains is no comment. */

/** Strings, templates and regular expressions come first: what looks like a comment inside one is skipped with it. */
const SCRIPT =
  /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|(?<=[=(,:!&|?[{}]\s*|return\s+|=>\s+|^\s*)\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/|\/\*[\s\S]*?\*\/|\/\/.*(?:\n\s*\/\/.*)*/gm;
const SQL = /'[^']*'|"[^"\n]*"|\/\*[\s\S]*?\*\/|--.*(?:\n\s*--.*)*/g;
const SHELL = /'[^'\n]*'|"(?:\\.|[^"\\\n])*"|(?:^|(?<=\s))#.*(?:\n\s*#.*)*/gm;

/** Joins the comments of consecutive lines into one, and removes signs of comments and line ends. */
export function commentsOf(file: string, text: string): string[] {
  const isSql = /\.(sql|lua)$/.test(file);
  const [tokens, sign] = isSql
    ? [SQL, /^(?:--|\/\*)/]
    : /\.m?[tj]s$/.test(file)
      ? [SCRIPT, /^\/[*/]/]
      : [SHELL, /^#/];
  return [...text.matchAll(tokens)]
    .map(([token]) => token)
    .filter((token) => sign.test(token))
    .map((comment) =>
      comment
        .replace(/\*\/$/, '')
        .replace(/^\s*(?:\/\*\*?|\*|\/\/+|--+|#+)/gm, '')
        .replace(/\s+/g, ' ')
        .trim(),
    );
}

/** Finds the comments and the strings of a file of code. What a string, a template or a regular expression contains is no comment. */

/** Strings, templates and regular expressions come first: what looks like a comment inside one is skipped with it. */
const SCRIPT =
  /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|(?<=[=(,:!&|?[{}]\s*|return\s+|=>\s+|^\s*)\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/|\/\*[\s\S]*?\*\/|\/\/.*(?:\n\s*\/\/.*)*/gm;
const SQL = /'[^']*'|"[^"\n]*"|\/\*[\s\S]*?\*\/|--.*(?:\n\s*--.*)*/g;
const SHELL = /'[^'\n]*'|"(?:\\.|[^"\\\n])*"|(?:^|(?<=\s))#.*(?:\n\s*#.*)*/gm;

/** Strings, templates, regular expressions and comments of a file, and what a comment begins with. */
function tokensOf(file: string, text: string): { tokens: string[]; sign: RegExp } {
  const [pattern, sign] = /\.(sql|lua)$/.test(file)
    ? [SQL, /^(?:--|\/\*)/]
    : /\.m?[tj]s$/.test(file)
      ? [SCRIPT, /^\/[*/]/]
      : [SHELL, /^#/];
  return { tokens: [...text.matchAll(pattern)].map(([token]) => token), sign };
}

/** The strings and templates without their quotes; what a template fills in is left out. */
export function stringsOf(file: string, text: string): string[] {
  return tokensOf(file, text)
    .tokens.filter((token) => /^['"`]/.test(token))
    .map((token) => token.slice(1, -1).replace(/\$\{[^}]*\}/g, ''));
}

/** Joins the comments of consecutive lines into one, and removes signs of comments and line ends. */
export function commentsOf(file: string, text: string): string[] {
  const { tokens, sign } = tokensOf(file, text);
  return tokens
    .filter((token) => sign.test(token))
    .map((comment) =>
      comment
        .replace(/\*\/$/, '')
        .replace(/^\s*(?:\/\*\*?|\*|\/\/+|--+|#+)/gm, '')
        .replace(/\s+/g, ' ')
        .trim(),
    );
}

/**
 * How text from outside appears in a message for people: quoted, cut to 60 characters, and only printable ASCII as it
 * is. Everything else is escaped, so that no input can forge a log line, hide behind a terminal sequence or fill a disk.
 */
export function quote(text: string): string {
  const cut = text.length > 60 ? `${text.slice(0, 60)}…(${text.length} characters)` : text;
  const escaped = JSON.stringify(cut).replace(
    /[^\u0020-\u007e…]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return escaped;
}

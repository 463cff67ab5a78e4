/**
 * Media types (RFC 9110 section 8.3.1), as far as a submit request needs them:
 *
 *     type "/" subtype *( OWS ";" OWS [ name "=" ( token / quoted-string ) ] )
 *
 * Names are compared in lower case. Parameters have no meaning for the types of this project and are let through, so
 * long as they are well-formed, but for charset: a body in another encoding would be read as something else.
 */

/** All in lower case; `charsets` are the values of every parameter of that name. */
export type MediaType = { type: string; charsets: string[] };

/** A header longer than this is not looked at. */
const MAX_CHARACTERS = 256;

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const QUOTED = String.raw`"(?:[\t \x21\x23-\x5b\x5d-\x7e]|\\[\t \x21-\x7e])*"`;
const TYPE = new RegExp(`^${TOKEN}/${TOKEN}`);
const PARAMETER = new RegExp(`[ \\t]*;[ \\t]*(?:(${TOKEN})=(${TOKEN}|${QUOTED}))?`, 'y');

/** Null when it is no media type. */
export function parseMediaType(header: string): MediaType | null {
  const text = header.length > MAX_CHARACTERS ? '' : header.replace(/^[ \t]+|[ \t]+$/g, '');
  const type = TYPE.exec(text)?.[0];
  if (type === undefined) return null;
  const charsets: string[] = [];
  for (PARAMETER.lastIndex = type.length; PARAMETER.lastIndex < text.length;) {
    const parameter = PARAMETER.exec(text);
    if (parameter === null) return null;
    const [, name, value] = parameter;
    if (name?.toLowerCase() === 'charset') charsets.push(unquote(value!).toLowerCase());
  }
  return { type: type.toLowerCase(), charsets };
}

function unquote(value: string): string {
  return value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value;
}

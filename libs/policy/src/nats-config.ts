/**
 * Writes nats-server's config language: `key: value` lines, blocks, lists, two spaces a level.
 *
 * Every text from outside is a quoted string, so that no name or path can end its value or start a variable (`$X` is one
 * only outside quotes). Refused rather than escaped: control characters, which no subject and no sane path has.
 */

/** A quoted string; throws on control characters. */
export function quoted(text: string): string {
  if (/\p{Cc}/u.test(text)) throw new Error(`${JSON.stringify(text)} has a control character: no name or path may`);
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

export class ConfigWriter {
  private readonly lines: string[] = [];
  private depth = 0;

  line(text: string): void {
    this.lines.push(`${'  '.repeat(this.depth)}${text}`);
  }

  /** A field; the value is written as it is, so texts go through `quoted` first. */
  entry(key: string, value: string | number | boolean): void {
    this.line(`${key}: ${String(value)}`);
  }

  /** `name { … }` around what `body` writes. */
  block(name: string, body: () => void): void {
    this.line(`${name} {`);
    this.depth += 1;
    body();
    this.depth -= 1;
    this.line('}');
  }

  /** `name: [ … ]`, one item a line or more; nothing when there is none. */
  list(name: string, items: readonly string[]): void {
    if (items.length === 0) return;
    this.line(`${name}: [`);
    this.depth += 1;
    for (const item of items) for (const line of item.split('\n')) this.line(line);
    this.depth -= 1;
    this.line(']');
  }

  text(): string {
    return `${this.lines.join('\n')}\n`;
  }
}

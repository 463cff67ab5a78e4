/** Text that a stranger may have chosen, as it goes into an event: cut, and what is not printable ASCII replaced by `?`. */
export function printable(text: string, mostCharacters = 256): string {
  return text.slice(0, mostCharacters).replaceAll(/[^\x20-\x7e]/g, '?');
}

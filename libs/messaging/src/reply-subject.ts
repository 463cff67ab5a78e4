/**
 * Where an answer may be sent. The server passes on whatever a member of the same account names as its reply subject; said back to it, one
 * that is too long for a line of the protocol, or is broken in text, ends the connection of whoever answers.
 */

/** Printable ASCII without spaces, 256 characters: more than any inbox of ours has, far less than a line may have. */
const REPLY_SUBJECT = /^[\x21-\x7e]{1,256}$/;

export function isReplySubject(text: string | undefined): text is string {
  return text !== undefined && REPLY_SUBJECT.test(text);
}

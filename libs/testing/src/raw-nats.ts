/** Speaks NATS's own text protocol, so that header bytes can be anything. */
import { readFileSync } from 'node:fs';
import { connect, type TLSSocket } from 'node:tls';
import { type CertificateFiles, waitUntil } from '@everseal/local';

export class RawNats {
  private received = '';

  private constructor(
    private readonly socket: TLSSocket,
    private readonly inbox: string,
  ) {
    socket.on('data', (data) => (this.received += data.toString('latin1')));
    socket.on('error', () => undefined);
  }

  /** @param inbox a subject that this certificate may subscribe to */
  static async open(port: number, { certFile, keyFile, caFile }: CertificateFiles, inbox: string): Promise<RawNats> {
    const [cert, key, ca] = [certFile, keyFile, caFile].map((file) => readFileSync(file));
    const client = new RawNats(connect({ host: 'localhost', port, cert: cert!, key: key!, ca: ca! }), inbox);
    await waitUntil(() => client.received.includes('INFO '), { what: 'the greeting' });
    client.socket.write(
      'CONNECT {"verbose":false,"headers":true,"no_responders":true,"lang":"raw","version":"1"}\r\nPING\r\n',
    );
    await waitUntil(() => client.received.includes('PONG'), { what: 'the session' });
    client.socket.write(`SUB ${inbox} 1\r\n`);
    return client;
  }

  /**
   * @param headers the header block, from `NATS/1.0` to the empty line
   * @param reply a byte a character, so that it need not be UTF-8
   */
  publish(subject: string, headers: string | Buffer, body: string, reply = ''): void {
    const block = Buffer.from(headers);
    const total = block.length + Buffer.byteLength(body);
    this.socket.write(`HPUB ${subject}${reply === '' ? '' : ` ${reply}`} ${block.length} ${total}\r\n`, 'latin1');
    this.socket.write(Buffer.concat([block, Buffer.from(body), Buffer.from('\r\n')]));
  }

  /** Publishes a request. @returns what came for the inbox until a JSON answer was complete, as text of the protocol */
  async ask(subject: string, headers: string | Buffer, body: string): Promise<string> {
    this.received = '';
    this.publish(subject, headers, body, this.inbox);
    return waitUntil(() => (/MSG [\s\S]*}\r\n/.test(this.received) ? this.received : null), { what: 'an answer' });
  }

  close(): void {
    this.socket.destroy();
  }
}

/** The JSON API: routes to the operations of operations.ts. */
import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import type { Reply, Request } from './exchange.js';
import { ReadApi } from './read-api.js';

@Controller()
export class ApiController {
  constructor(@Inject(ReadApi) private readonly api: ReadApi) {}

  @Get('openapi.json')
  openApi(@Req() request: Request, @Res() reply: Reply): Promise<void> {
    return this.api.openApi(request, reply);
  }

  @Get('api')
  ledgers(@Req() request: Request, @Res() reply: Reply): Promise<void> {
    return this.api.ledgers(request, reply);
  }

  @Get('api/:ledger/checkpoint')
  checkpoint(@Req() request: Request, @Res() reply: Reply): Promise<void> {
    return this.api.operation('checkpoint', request, reply);
  }

  @Get('api/:ledger/checkpoints/:number')
  checkpointAt(@Req() request: Request, @Res() reply: Reply): Promise<void> {
    return this.api.operation('checkpointAt', request, reply);
  }

  @Get('api/:ledger/anchors')
  anchors(@Req() request: Request, @Res() reply: Reply): Promise<void> {
    return this.api.operation('anchors', request, reply);
  }

  @Get('api/:ledger/keys')
  keys(@Req() request: Request, @Res() reply: Reply): Promise<void> {
    return this.api.operation('keys', request, reply);
  }

  @Get('api/:ledger/blocks/:number')
  block(@Req() request: Request, @Res() reply: Reply): Promise<void> {
    return this.api.operation('block', request, reply);
  }

  @Get('api/:ledger/proofs/:number')
  proof(@Req() request: Request, @Res() reply: Reply): Promise<void> {
    return this.api.operation('proof', request, reply);
  }

  @Get('api/:ledger/consistency/:number')
  consistency(@Req() request: Request, @Res() reply: Reply): Promise<void> {
    return this.api.operation('consistency', request, reply);
  }

  @Get('api/:ledger/entries/:number')
  entry(@Req() request: Request, @Res() reply: Reply): Promise<void> {
    return this.api.operation('entry', request, reply);
  }

  @Get('api/:ledger/receipts/:number')
  receipt(@Req() request: Request, @Res() reply: Reply): Promise<void> {
    return this.api.operation('receipt', request, reply);
  }

  @Get('api/:ledger/events')
  search(@Req() request: Request, @Res() reply: Reply): Promise<void> {
    return this.api.operation('search', request, reply);
  }

  @Get('api/:ledger/event')
  event(@Req() request: Request, @Res() reply: Reply): Promise<void> {
    return this.api.operation('event', request, reply);
  }
}

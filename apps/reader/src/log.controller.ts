/** The C2SP trees: `/log/<ledger>/…`. The path is read from the request as it came, so that there is one spelling of it. */
import { Controller, Get, Inject, Options, Req, Res } from '@nestjs/common';
import type { Reply, Request } from './exchange.js';
import { ReadApi } from './read-api.js';

@Controller()
export class LogController {
  constructor(@Inject(ReadApi) private readonly api: ReadApi) {}

  @Get('log/*')
  tree(@Req() request: Request, @Res() reply: Reply): Promise<void> {
    return this.api.tree(request, reply);
  }

  @Options('log/*')
  preflight(@Req() request: Request, @Res() reply: Reply): Promise<void> {
    return this.api.preflight(request, reply);
  }
}

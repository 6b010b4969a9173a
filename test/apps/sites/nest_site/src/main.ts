import "reflect-metadata";
import { Body, Controller, Get, Injectable, Module, Param, ParseIntPipe, Post, Req, Sse }
  from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { SubscribeMessage, WebSocketGateway, WebSocketServer } from "@nestjs/websockets";
import { interval, map, take } from "rxjs";

@Injectable()
class Notes {
  readonly all: string[] = [];
}

@Controller()
class SiteController {
  constructor(private readonly notes: Notes) {}
  @Get("about") about(@Req() request: any) {
    return { protocol: request.protocol, ip: request.ip, host: request.get("host") };
  }
  @Post("notes") add(@Body() body: { text: string }) {
    return { count: this.notes.all.push(body.text) };
  }
  @Get("notes/:id") one(@Param("id", ParseIntPipe) id: number) {
    return { text: this.notes.all[id] };
  }
  @Sse("ticks") ticks() {
    return interval(20).pipe(take(5), map((number) => ({ data: { number } })));
  }
}

@WebSocketGateway()
class Chat {
  @WebSocketServer() server: any;
  @SubscribeMessage("say") say(_client: unknown, text: string) {
    this.server.emit("said", text);
  }
}

@Module({ controllers: [SiteController], providers: [Notes, Chat] })
class Site {}

async function start() {
  const app: any = await NestFactory.create(Site, { logger: ["error", "warn"] });
  app.set("trust proxy", "loopback");
  app.enableShutdownHooks();
  await app.listen(process.env.PORT ?? 3000);
}
start();

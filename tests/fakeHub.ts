/** A Hugging Face hub on this machine. It keeps large files on another host, as the real one does. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gitBlobHash } from '../src/store/models/sha256.node.ts';

export interface Seen {
  readonly server: 'hub' | 'cdn';
  readonly url: string;
  readonly token: string | undefined;
  readonly range: string | undefined;
}

export type Files = Record<string, Buffer>;

/** A model, and how its hub misbehaves. Each field may be changed by a test. */
export interface FakeHub {
  readonly id: string;
  files: Files;
  sha: string;
  /** Other states of the model, by the names of their revisions. */
  readonly revisions: Record<string, { readonly sha: string; readonly files: Files }>;
  /** Added to what the tree lists. */
  listed: object[];
  /** Answers every request to the hub with this status. */
  status: number | undefined;
  /** Where the tree says that its next page is. */
  next: string | undefined;
  /** Sends a large file in place of the usual way. */
  sendLarge: ((content: Buffer, request: IncomingMessage, response: ServerResponse) => void) | undefined;
  /** What is sent in place of a file's content. */
  served: Files;
  readonly seen: Seen[];
}

export const fakeHub = (id: string, sha: string, files: Files): FakeHub => ({
  id,
  files: { ...files },
  sha,
  revisions: {},
  listed: [],
  status: undefined,
  next: undefined,
  sendLarge: undefined,
  served: {},
  seen: [],
});

interface Listening {
  readonly server: Server;
  readonly address: string;
}

export async function listen(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<Listening> {
  const server = createServer(answer);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return { server, address: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** The hub's address, and the servers that are to be stopped. */
export async function serve(hub: FakeHub): Promise<{ readonly address: string; readonly servers: Server[] }> {
  const cdn = await listen((request, response) => answerAsCdn(hub, request, response));
  const api = await listen((request, response) => answerAsHub(hub, request, { response, cdn: cdn.address }));
  return { address: api.address, servers: [cdn.server, api.server] };
}

export async function stop(servers: Server[]): Promise<void> {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
}

export function note({ seen }: FakeHub, server: Seen['server'], request: IncomingMessage): void {
  const { authorization: token, range } = request.headers;
  seen.push({ server, url: request.url!, token, range });
}

interface Answering {
  readonly response: ServerResponse;
  readonly cdn: string;
}

function answerAsHub(hub: FakeHub, request: IncomingMessage, { response, cdn }: Answering): void {
  note(hub, 'hub', request);
  const { pathname } = new URL(request.url!, cdn);
  if (hub.status)
    return void response.writeHead(hub.status, { 'content-type': 'application/json' }).end('{"error":"said the hub"}');
  const [, revision] = pathname.split(`/api/models/${hub.id}/revision/`);
  if (revision !== undefined) {
    const { sha } = hub.revisions[decodeURIComponent(revision)] ?? hub;
    return void json(hub, response, { _id: '1', id: hub.id, sha });
  }
  const { sha, files } = Object.values(hub.revisions).find((state) => pathname.includes(`/${state.sha}`)) ?? hub;
  if (pathname === `/api/models/${hub.id}/tree/${sha}`)
    return void json(hub, response, [...Object.entries(files).map(treeEntry), ...hub.listed]);
  const path = decodeURIComponent(pathname.slice(`/${hub.id}/resolve/${sha}/`.length));
  const content = hub.served[path] ?? files[path];
  if (!content) return void response.writeHead(404).end();
  const place = `${encodeURIComponent(path)}?signature=secret&sha=${sha}`;
  if (isLarge(path)) return void response.writeHead(302, { location: `${cdn}/${place}` }).end();
  response.writeHead(200, { etag: `"${gitOid(content)}"`, 'content-length': content.length }).end(content);
}

function answerAsCdn(hub: FakeHub, request: IncomingMessage, response: ServerResponse): void {
  note(hub, 'cdn', request);
  const { pathname, searchParams } = new URL(request.url!, 'http://cdn');
  const path = decodeURIComponent(pathname.slice(1));
  const { files } = Object.values(hub.revisions).find(({ sha }) => sha === searchParams.get('sha')) ?? hub;
  const content = hub.served[path] ?? files[path]!;
  if (hub.sendLarge) hub.sendLarge(content, request, response);
  else response.writeHead(200, { 'content-length': content.length }).end(content);
}

export function json({ next }: FakeHub, response: ServerResponse, value: unknown): void {
  const link = Array.isArray(value) && next ? { link: `<${next}>; rel="next"` } : {};
  response.writeHead(200, { 'content-type': 'application/json', ...link }).end(JSON.stringify(value));
}

function treeEntry([path, content]: [string, Buffer]): object {
  const entry = { type: 'file', path, size: content.length, oid: gitOid(content) };
  return isLarge(path) ? { ...entry, lfs: { oid: sha256(content), size: content.length, pointerSize: 130 } } : entry;
}

const isLarge = (path: string): boolean => path.endsWith('.safetensors');

export const gitOid = (content: Buffer): string => gitBlobHash(content.length).update(content).digest('hex');

export const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex');

/** WebSockets in Node: apart from the rest, because only who uses them is to load the package `ws`; a domain's host never does. */
export { dialWebSocket } from './transport/web-socket-dial.js';
export { listenWebSocket, type WebSocketListenOptions } from './transport/web-socket-listen.js';
export { WebSocketStream } from './transport/web-socket-stream.js';

// What pages do beyond what the server sends. Each page is whole without it.
import { addCopyButtons } from "./page/copy.js";
import { listenForKeys } from "./page/keys.js";
import { followTheLedger } from "./page/live.js";
import { keepTimesFresh } from "./page/times.js";

addCopyButtons();
listenForKeys();
followTheLedger();
keepTimesFresh();

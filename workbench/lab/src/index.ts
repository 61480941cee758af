// What Lab loads at its start. Everything that draws or talks to a kernel is fetched when it is first used.
import { commands } from "./commands";
import { documents } from "./documents";
import { running } from "./running";
import { session } from "./session";
import "../style/icons.css";

export default [documents, commands, session, running];

// What Lab loads at its start. Everything that draws or talks to a kernel is fetched when it is first used.
import { documents } from "./documents";

export default [documents];
